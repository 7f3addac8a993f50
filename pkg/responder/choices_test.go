package responder

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/wire"
)

// What the standard leaves to a server: which choice this one makes.

func TestWhatGoesWellHasNoStatus(t *testing.T) {
	b := newBench(t, twoLinks, reserved)
	for _, words := range []string{"Solicit mac=38 ia=1", "Solicit mac=38 ia=1 rapid", "Request mac=38 ia=1 server=own", "Renew mac=38 ia=1,2001:db8:1::38 server=own", "Rebind mac=38 ia=1,2001:db8:1::38", "Request mac=38 in=eth2 ia=1 pd=1 server=own"} {
		list := sent(b.step(b.message(words)))
		if len(list) != 1 || list[0].Status != nil || list[0].IANAs[0].Status != nil || len(list[0].IANAs[0].Addresses) == 0 {
			t.Errorf("S-7.5-01 %s: %v", words, list)
		}
	}
	for _, words := range []string{"Confirm mac=38 ia=1,2001:db8:1::38", "Release mac=38 ia=1,2001:db8:1::38 server=own"} { // where it is asked for
		if list := sent(b.step(b.message(words))); len(list) != 1 || list[0].Status == nil || list[0].Status.Code != 0 {
			t.Errorf("%s: %v", words, list)
		}
	}
}

func TestWhatFeedsTheChoiceOfAnAddress(t *testing.T) {
	const far = " relay=2001:db8:1::9,fe80::1,38 from=2001:db8:1::9"
	lines := reserved + "id:00:04:aa:bb,[2001:db8:1::aabb]\n"
	config := strings.Replace(hourly, "[server]", "[server]\nhosts = /hosts\ntrusted_relays = 2001:db8:1::9", 1)
	for _, tt := range []struct{ name, send, want string }{
		{"S-13.1-06 the client's DUID", "Solicit mac=38 ia=1", "2001:db8:1::38"},
		{"a DUID without a MAC", "Solicit duid=0004aabb ia=1", "2001:db8:1::aabb"},
		{"what a relay adds: option 79", "Solicit mac=38 ia=1" + far, "2001:db8:1::38"},
		{"the address that is asked for", "Solicit mac=77 ia=1,2001:db8:1::1abc", "2001:db8:1::1abc"},
		{"S-21.18-03 an Interface-Id is not looked into", "Solicit mac=38 ia=1" + far + " id=port7", "2001:db8:1::38"},
		{"S-21.18-03 another that begins like it", "Solicit mac=38 ia=1" + far + " id=port77", "2001:db8:1::38"},
		{"S-21.18-03 one that holds another's reservation", "Solicit mac=38 ia=1" + far + " id=06:a0:f0:00:00:39,[2001:db8:1::39]", "2001:db8:1::38"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, afarIf(tt.send, config), lines)
			in := b.message(tt.send)
			out := b.step(in)
			if got := addressesOf(out); len(got) != 1 || got[0] != netip.MustParseAddr(tt.want) {
				t.Errorf("%v, want %s", got, tt.want)
			}
			for _, a := range out {
				if s, ok := a.(*Send); ok && len(in.Relays) > 0 && !bytes.Equal(s.Relays[0].Interface, in.Relays[0].Interface) {
					t.Errorf("the Interface-Id comes back as %q", s.Relays[0].Interface)
				}
			}
		})
	}
}

// TestWhereDelegatedPrefixesComeFrom: a pool, S-13.2-01; there are no reserved ones. S-8168-03: who has a prefix
// keeps it whatever length it wishes for now; who has none gets the one length that there is.
func TestWhereDelegatedPrefixesComeFrom(t *testing.T) {
	b := newBench(t, delegating, reserved)
	if got := b.send("Solicit mac=38 in=eth1 pd=1,::/48"); !strings.Contains(got, "::/60") {
		t.Errorf("a length without a binding: %s", got)
	}
	first := sent(b.step(b.message("Request mac=38 pd=1 server=own")))[0].IAPDs[0].Prefixes[0].Prefix
	for _, hint := range []string{"::/48", "::/64", "2001:db8:8000:c0::/60,::/56"} {
		for _, words := range []string{"Renew mac=38 pd=1," + first.String() + "," + hint + " server=own", "Solicit mac=38 pd=1," + first.String() + "," + hint} {
			got := sent(b.step(b.message(words)))[0].IAPDs[0].Prefixes
			if i := slices.IndexFunc(got, func(p wire.Prefix) bool { return p.Valid > 0 }); i < 0 || got[i].Prefix != first {
				t.Errorf("%s: %v, want %s", words, got, first)
			}
		}
	}
	if got := newBench(t, plain, reserved).send("Solicit mac=38 pd=1"); !strings.Contains(got, "PD 1 NoPrefixAvail") {
		t.Errorf("without pd_pool: %s", got)
	}
}

// TestLeasesThatCannotBeExtended: one of a pool that was taken out is left out, S-18.3.4-03 and S-18.3.5-02, and its
// client gets another as soon as it asks; one that is of no prefix here comes back with lifetimes of 0, and T1 and T2
// are what the valid lifetime is, S-18.3.4-04.
func TestLeasesThatCannotBeExtended(t *testing.T) {
	for _, kind := range []string{"Renew mac=77 ia=1,%s server=own", "Rebind mac=77 ia=1,%s"} {
		b := newBench(t, hourly, "")
		held := addressesOf(b.step(b.message("Request mac=77 ia=1 server=own")))[0]
		b.restart(strings.Replace(hourly, "::1000-2001:db8:1::1fff", "::2000-2001:db8:1::2fff", 1), "")
		if got := b.send(fmt.Sprintf(kind, held)); got != "Reply IA 1 NoBinding" {
			t.Errorf("%s: %s", kind, got)
		}
		if got := addressesOf(b.step(b.message("Request mac=77 ia=1," + held.String() + " server=own"))); !got[0].IsValid() || got[0] == held {
			t.Errorf("then a Request: %v", got)
		}
	}
	b := newBench(t, hourly, "")
	ia := sent(b.step(b.message("Renew mac=77 ia=1,2001:db8:9::1 server=own")))[0].IANAs[0]
	if len(ia.Addresses) != 1 || ia.Addresses[0].Valid != 0 || ia.Addresses[0].Preferred != 0 || ia.T1 != 0 || ia.T2 != 0 {
		t.Errorf("of no prefix: %+v", ia)
	}
}

// TestAReleaseIsAnsweredWhenItIsOnTheDisk: of a pool, S-18.3.7-08; then the address is free for others, and is so
// after a loss of power. What could not be stored is not answered.
func TestAReleaseIsAnsweredWhenItIsOnTheDisk(t *testing.T) {
	for _, disk := range []error{nil, errors.New("no space left on device")} {
		b := newBench(t, hourly, "")
		held := addressesOf(b.step(b.message("Request mac=77 ia=1 server=own")))[0]
		b.slow = true
		if got := sent(b.step(b.message("Release mac=77 ia=1," + held.String() + " server=own"))); len(got) != 0 {
			t.Fatalf("before it is on the disk: %v", got)
		}
		got := sent(b.flush(disk))
		if disk != nil {
			if len(got) != 0 {
				t.Fatalf("though the disk is full: %v", got)
			}
			continue
		}
		if len(got) != 1 || got[0].Type != dhcpv6.MessageTypeReply || got[0].Status == nil || got[0].Status.Code != 0 {
			t.Fatalf("when it is on the disk: %v", got)
		}
		b.restart(hourly, "")
		if l := b.store.Leases(); len(l) > 0 {
			t.Errorf("after a loss of power: %v", l)
		}
		b.slow = false
		if got := addressesOf(b.step(b.message("Request mac=78 ia=1," + held.String() + " server=own"))); len(got) != 1 || got[0] != held {
			t.Errorf("another that asks for it gets %v, want %s", got, held)
		}
	}
}

// TestOptionsWhereTheyDoNotBelongAreNotLookedAt, S-16-01: the answer is the one to the message without them. An
// invalid message gets none, S-16-02.
func TestOptionsWhereTheyDoNotBelongAreNotLookedAt(t *testing.T) {
	misplaced := map[string][]byte{
		"IA Address":          append([]byte{0, 5, 0, 24}, make([]byte, 24)...),
		"IA Prefix":           append([]byte{0, 26, 0, 25}, make([]byte, 25)...),
		"Preference":          {0, 7, 0, 1, 255},
		"Server Unicast":      append([]byte{0, 12, 0, 16}, make([]byte, 16)...),
		"Status Code":         {0, 13, 0, 4, 0, 2, 'n', 'o'},
		"Relay Message":       {0, 9, 0, 4, 1, 0, 0, 1},
		"Interface-Id":        {0, 18, 0, 1, 'x'},
		"Reconfigure":         {0, 19, 0, 1, 5},
		"Recursive DNS":       append([]byte{0, 23, 0, 16}, make([]byte, 16)...),
		"Information Refresh": {0, 32, 0, 4, 0, 0, 0, 1},
		"Remote-Id":           {0, 37, 0, 5, 0, 0, 0, 1, 'x'},
		"Client Link-Layer":   {0, 79, 0, 8, 0, 1, 6, 0xa0, 0xf0, 0, 0, 0x39},
		"SOL_MAX_RT":          {0, 82, 0, 4, 0, 0, 0, 60},
		"PD Exclude":          {0, 67, 0, 2, 64, 0},
	}
	for _, words := range []string{
		"Solicit mac=38 ia=1", "Solicit mac=38 ia=1 rapid oro=23,82", "Request mac=38 ia=1 server=own", "Renew mac=38 ia=1,2001:db8:1::38 server=own",
		"Rebind mac=38 ia=1,2001:db8:1::38", "Confirm mac=38 ia=1,2001:db8:1::38", "Release mac=38 ia=1,2001:db8:1::38 server=own",
		"Decline mac=38 ia=1,2001:db8:1::38 server=own", "Information-request mac=38 oro=23",
		"Solicit mac=38 ia=1 server=own", "Request mac=38 ia=1", "Renew mac=38 ia=1 server=other", "Confirm duid=none ia=1,2001:db8:1::38", "Advertise mac=38 ia=1", // invalid
	} {
		want := newBench(t, twoLinks, reserved).send(words)
		if invalid := strings.HasPrefix(words, "Advertise") || words == "Request mac=38 ia=1" || strings.Contains(words, "other") || strings.Contains(words, "none") || words == "Solicit mac=38 ia=1 server=own"; invalid != (want == "nothing") {
			t.Errorf("%s: %s", words, want)
		}
		for name, option := range misplaced {
			b := newBench(t, twoLinks, reserved)
			in := b.message(words)
			packet, err := in.Msg.AppendAnswer(nil)
			b.check(err)
			in.Msg, err = wire.Decode(append(packet, option...))
			if err != nil {
				t.Errorf("%s with %s: %v", words, name, err)
				continue
			}
			if got := b.render(b.step(in), false); got != want {
				t.Errorf("%s with %s\ngot  %s\nwant %s", words, name, got, want)
			}
		}
	}
}

// TestEachChangeOfABindingIsOneLine of the log, with whom it is about, where, and by which relay.
func TestEachChangeOfABindingIsOneLine(t *testing.T) {
	config := strings.Replace(hourly, "[server]", "[server]\ntrusted_relays = 2001:db8:1::9", 1) + "pool_grace = 0\n"
	b := newBench(t, config, "")
	far := newBench(t, afar(config), "")
	told := func(actions []Action) string {
		var out []string
		for _, a := range actions {
			if c, ok := a.(*Changed); ok {
				out = append(out, renderReport(c.Report(nil)))
			}
		}
		return strings.Join(out, "\n")
	}
	const who = ` mac="06:a0:f0:00:00:77" duid="00:03:00:01:06:a0:f0:00:00:77" iaid="00000001" network="guests" interface="eth1"`
	var ended string
	for _, tt := range []struct{ words, want string }{
		{"Request mac=77 ia=1,2001:db8:1::1abc server=own", `INFO "address leased" address="2001:db8:1::1abc"` + who + ` valid="2h0m0s"`},
		{"Request mac=77 ia=1,2001:db8:1::1abc server=own", ""}, // again
		{"Renew mac=77 ia=1,2001:db8:1::1abc server=own", ""},
		{"Release mac=77 ia=1,2001:db8:1::1abc server=own", `INFO "lease released" address="2001:db8:1::1abc"` + who},
		{"Request mac=77 ia=1,2001:db8:1::1abd server=own", `INFO "address leased" address="2001:db8:1::1abd"` + who + ` valid="2h0m0s"`},
		{"Decline mac=77 ia=1,2001:db8:1::1abd server=own", `WARN "address declined" address="2001:db8:1::1abd"` + who + ` reason="another node uses it" set_aside="24h0m0s"`},
		{"Request mac=77 ia=1,2001:db8:1::1abe server=own", `INFO "address leased" address="2001:db8:1::1abe"` + who + ` valid="2h0m0s"`},
	} {
		if got := strings.ReplaceAll(told(b.step(b.message(tt.words))), "reports ", ""); got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.words, got, tt.want)
		}
	}
	const relayed = "Request mac=77 ia=1,2001:db8:1::1abc server=own relay=2001:db8:1::9,fe80::77,77 from=2001:db8:1::9"
	if got, want := strings.ReplaceAll(told(far.step(far.message(relayed))), "reports ", ""), `INFO "address leased" address="2001:db8:1::1abc"`+who+` relay="2001:db8:1::9" valid="2h0m0s"`; got != want {
		t.Errorf("%s\ngot  %s\nwant %s", relayed, got, want)
	}
	b.pass(3*time.Hour, func(actions []Action) { ended += told(actions) })
	if want := `INFO "lease expired" address="2001:db8:1::1abe"` + who; strings.ReplaceAll(ended, "reports ", "") != want {
		t.Errorf("got  %s\nwant %s", ended, want)
	}
}
