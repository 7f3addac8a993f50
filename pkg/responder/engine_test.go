package responder

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

// lease38 is the reserved address of machine 38, infinite by its line; lease39 has the network's lifetimes.
const (
	lease38 = "2001:db8:1::38 inf/inf T1 inf T2 inf"
	lease39 = "2001:db8:1::39 12h/24h T1 5h23m34s T2 8h37m43s"
)

func TestEngine(t *testing.T) {
	frame := strings.Replace(plain, "[server]", "[server]\nidentity = frame", 1)
	anyFrame := strings.Replace(plain, "[server]", "[server]\nverify_frame = no", 1)
	noRapid := strings.Replace(plain, "[server]", "[server]\nrapid_commit = no", 1)
	preferred := strings.Replace(plain, "[server]", "[server]\npreference = 255", 1)
	for _, tt := range []struct{ name, config, send, want string }{
		// Section 16: what is dropped.
		{"S-16.2-01 Solicit without Client Identifier", "", "Solicit duid=none frame=38 ia=1", "nothing"},
		{"S-16.2-02 Solicit with the server's own identifier", "", "Solicit mac=38 ia=1 server=own", "nothing"},
		{"S-16.2-02 Solicit with a foreign identifier", "", "Solicit mac=38 ia=1 server=other", "nothing"},
		{"S-16.3-01 Advertise", "", "Advertise mac=38 ia=1 server=other", "nothing"},
		{"S-16.4-01 Request without Server Identifier", "", "Request mac=38 ia=1", "nothing"},
		{"S-16.4-02 Request for another server", "", "Request mac=38 ia=1 server=other", "nothing"},
		{"S-16.4-03 Request without Client Identifier", "", "Request duid=none frame=38 ia=1 server=own", "nothing"},
		{"S-16.5-01 Confirm without Client Identifier", "", "Confirm duid=none ia=1,2001:db8:1::38", "nothing"},
		{"S-16.5-02 Confirm with a Server Identifier", "", "Confirm mac=38 ia=1,2001:db8:1::38 server=own", "nothing"},
		{"S-16.6-01 Renew without Server Identifier", "", "Renew mac=38 ia=1,2001:db8:1::38", "nothing"},
		{"S-16.6-02 Renew for another server", "", "Renew mac=38 ia=1,2001:db8:1::38 server=other", "nothing"},
		{"S-16.6-03 Renew without Client Identifier", "", "Renew duid=none ia=1,2001:db8:1::38 server=own", "nothing"},
		{"S-16.7-01 Rebind without Client Identifier", "", "Rebind duid=none ia=1,2001:db8:1::38", "nothing"},
		{"S-16.7-02 Rebind with a Server Identifier", "", "Rebind mac=38 ia=1,2001:db8:1::38 server=own", "nothing"},
		{"S-16.8-01 Decline without Server Identifier", "", "Decline mac=38 ia=1,2001:db8:1::38", "nothing"},
		{"S-16.8-02 Decline for another server", "", "Decline mac=38 ia=1,2001:db8:1::38 server=other", "nothing"},
		{"S-16.8-03 Decline without Client Identifier", "", "Decline duid=none ia=1,2001:db8:1::38 server=own", "nothing"},
		{"S-16.9-01 Release without Server Identifier", "", "Release mac=38 ia=1,2001:db8:1::38", "nothing"},
		{"S-16.9-02 Release for another server", "", "Release mac=38 ia=1,2001:db8:1::38 server=other", "nothing"},
		{"S-16.9-03 Release without Client Identifier", "", "Release duid=none ia=1,2001:db8:1::38 server=own", "nothing"},
		{"S-16.10-01 Reply", "", "Reply mac=38 ia=1 server=other", "nothing"},
		{"S-16.11-01 Reconfigure", "", "Reconfigure mac=38 server=other", "nothing"},
		{"S-16.12-01 Information-request for another server", "", "Information-request mac=38 server=other oro=23", "nothing"},
		{"S-16.12-01 Information-request for this server", "", "Information-request mac=38 server=own oro=23", "Reply dns [2001:db8:1::53]"},
		{"S-16.12-02 Information-request with IA_NA", "", "Information-request mac=38 ia=1", "nothing"},
		{"S-16.12-02 Information-request with IA_PD", "", "Information-request mac=38 pd=1", "nothing"},
		{"S-16.12-02 Information-request with IA_TA", "", "Information-request mac=38 ta", "nothing"},
		{"S-16-06 a client's message to a unicast address", "", "Solicit mac=38 ia=1 unicast", "nothing"},
		{"a source that is not link-local", "", "Solicit mac=38 ia=1 from=2001:db8:1::99", "nothing"},
		{"an interface without a network", "", "Solicit mac=38 ia=1 in=eth7", "nothing"},

		// Solicit.
		{"S-18.3.1-03 no Rapid Commit asked for", "", "Solicit mac=38 ia=1", "Advertise IA 1 " + lease38},
		{"S-18.3.1-04 S-18.3.1-06 Rapid Commit", "", "Solicit mac=38 ia=1 rapid", "Reply rapid-commit IA 1 " + lease38},
		{"S-18.3.1-03 S-18.3.9-17 Rapid Commit switched off", noRapid, "Solicit mac=38 ia=1 rapid", "Advertise IA 1 " + lease38},
		{"nothing to commit is no Rapid Commit", "", "Solicit mac=99 ia=1 rapid", "Advertise IA 1 NoAddrsAvail"},
		{"S-18.3.9-02 S-18.3.9-03 preference", preferred, "Solicit mac=38 ia=1", "Advertise preference 255 IA 1 " + lease38},
		{"S-21.8-01 no preference in a Reply", preferred, "Solicit mac=38 ia=1 rapid", "Reply rapid-commit IA 1 " + lease38},
		{"S-18.3.9-15 unknown client", "", "Solicit mac=99 ia=1", "Advertise IA 1 NoAddrsAvail"},
		{"S-18.3.9-16 IA_PD beside", "", "Solicit mac=38 ia=1 pd=1", "Advertise IA 1 " + lease38 + " PD 1 NoPrefixAvail"},
		{"S-18.3.9-14 a hint that is not his does not appear", "", "Solicit mac=38 ia=1,2001:db8:1::39", "Advertise IA 1 " + lease38},
		{"S-18.3.9-12 an off-link hint is passed over", "", "Solicit mac=38 ia=1,2001:db8:7::1", "Advertise IA 1 " + lease38},
		{"S-18.3.1-01 a client that the hosts file ignores", "", "Solicit mac=42 ia=1", "nothing"},
		{"a reservation in another prefix", "", "Solicit mac=43 ia=1", "Advertise IA 1 NoAddrsAvail"},
		{"S-21.4-02 T1 and T2 of a finite lifetime", "", "Solicit mac=40 ia=1", "Advertise IA 1 2001:db8:1::40 1h/1h T1 24m50s T2 39m44s"},
		{"S-21.4-03 T1 and T2 of an infinite lifetime", "", "Solicit mac=38 ia=1", "Advertise IA 1 " + lease38},
		{"the lifetimes are the network's where the line gives none", "", "Solicit mac=39 ia=1", "Advertise IA 1 " + lease39},
		{"S-12-02 IAID 0", "", "Solicit mac=38 ia=0", "Advertise IA 0 " + lease38},
		{"S-12-02 IAID 0xffffffff", "", "Solicit mac=38 ia=0xffffffff", "Advertise IA 4294967295 " + lease38},
		{"of several IAs the first gets the address", "", "Solicit mac=38 ia=1 ia=2", "Advertise IA 1 " + lease38 + " IA 2 NoAddrsAvail"},
		{"unless another names it", "", "Solicit mac=38 ia=1 ia=2,2001:db8:1::38", "Advertise IA 1 NoAddrsAvail IA 2 " + lease38},
		{"S-21.4-07 a repeated IAID is handled once", "", "Solicit mac=38 ia=1 ia=1 ia=2", "Advertise IA 1 " + lease38 + " IA 2 NoAddrsAvail"},
		{"S-21.5-01 IA_TA beside an IA_NA", "", "Solicit mac=38 ia=1 ta", "Advertise IA 1 " + lease38},
		{"S-21.5-01 IA_TA alone", "", "Solicit mac=38 ta", "Advertise"},

		// Identity (decision 9).
		{"a forged DUID-LL gets nothing", "", "Solicit mac=38 frame=66 ia=1", "Advertise IA 1 NoAddrsAvail"},
		{"a forged DUID-LL gets nothing by Request", "", "Request mac=38 frame=66 ia=1,2001:db8:1::38 server=own", "Reply IA 1 NoAddrsAvail"},
		{"a forged DUID-LL extends nothing", "", "Renew mac=38 frame=66 ia=1,2001:db8:1::38 server=own", "Reply IA 1 NoBinding"},
		{"a forged DUID-LL rebinds nothing", "", "Rebind mac=38 frame=66 ia=1,2001:db8:1::38", "Reply IA 1 NoBinding"},
		{"a forged DUID-LL releases nothing", "", "Release mac=38 frame=66 ia=1,2001:db8:1::38 server=own", "Reply Success IA 1 NoBinding"},
		{"a forged DUID-LL declines nothing", "", "Decline mac=38 frame=66 ia=1,2001:db8:1::38 server=own", "Reply Success IA 1 NoBinding"},
		{"verify_frame = no", anyFrame, "Solicit mac=38 frame=66 ia=1", "Advertise IA 1 " + lease38},
		{"a MAC that is not known proves nothing", "", "Solicit mac=38 frame=none ia=1", "Advertise IA 1 NoAddrsAvail"},
		{"verify_frame = no without a MAC", anyFrame, "Solicit mac=38 frame=none ia=1", "Advertise IA 1 " + lease38},
		{"S-6939-03 identity = frame: a DUID-LLT", frame, "Solicit mac=38 duid=00010001aabbccdd06a0f0000099 ia=1", "Advertise IA 1 " + lease38},
		{"identity = frame: a DUID-EN", frame, "Solicit mac=38 duid=00020000ab11aabbccdd ia=77", "Advertise IA 77 " + lease38},
		{"identity = frame: the DUID-LL of another machine", frame, "Solicit mac=39 frame=38 ia=1", "Advertise IA 1 " + lease38},
		{"S-11-02 a DUID-LLT of a reserved MAC is not that MAC", "", "Solicit mac=38 duid=00010001aabbccdd06a0f0000038 ia=1", "Advertise IA 1 NoAddrsAvail"},
		{"a line that names another DUID", "", "Solicit mac=99 duid=0004aabbcc ia=1", "Advertise IA 1 2001:db8:1::41 12h/24h T1 5h7m32s T2 8h12m4s"},
		{"S-11-01 a DUID that is longer by one byte", "", "Solicit mac=99 duid=0004aabbccdd ia=1", "Advertise IA 1 NoAddrsAvail"},
		{"S-11-01 a DUID that is shorter by one byte", "", "Solicit mac=99 duid=0004aabb ia=1", "Advertise IA 1 NoAddrsAvail"},
		{"a DUID-LL of another hardware type is not that MAC", "", "Solicit mac=38 duid=0003000606a0f0000038 ia=1", "Advertise IA 1 NoAddrsAvail"},
		{"S-7.2-05 the source port does not matter", "", "Solicit mac=38 ia=1 port=1", "Advertise IA 1 " + lease38},

		// Request.
		{"S-18.3.2-01 S-18.3.2-09 Request", "", "Request mac=38 ia=1,2001:db8:1::38 server=own", "Reply IA 1 " + lease38},
		{"S-18.3.2-05 an address of another link", "", "Request mac=38 ia=1,2001:db8:7::1 server=own", "Reply IA 1 NotOnLink"},
		{"S-18.3.2-04 each IA has its outcome", "", "Request mac=38 ia=1,2001:db8:7::1 ia=2 ia=3 server=own", "Reply IA 1 NotOnLink IA 2 " + lease38 + " IA 3 NoAddrsAvail"},
		{"S-18.3.2-06 nothing reserved", "", "Request mac=99 ia=1 server=own", "Reply IA 1 NoAddrsAvail"},
		{"S-18.3.2-07 IA_PD", "", "Request mac=38 ia=1 pd=9 server=own", "Reply IA 1 " + lease38 + " PD 9 NoPrefixAvail"},
		{"S-18.3.2-08 another's address asked for", "", "Request mac=38 ia=1,2001:db8:1::39 server=own", "Reply IA 1 " + lease38},
		{"S-21.6-04 the unspecified address is no wish", "", "Request mac=38 ia=1,:: server=own", "Reply IA 1 " + lease38},
		{"S-18.3.2-18 Request without an IA", "", "Request mac=38 oro=23 server=own", "Reply dns [2001:db8:1::53]"},

		// Confirm.
		{"S-18.3.3-01 S-18.3.3-07 the reserved address", "", "Confirm mac=38 ia=1,2001:db8:1::38", "Reply Success"},
		{"S-18.3.3-01 an address that was never leased", "", "Confirm mac=99 ia=1,2001:db8:1::99", "Reply Success"},
		{"S-18.3.3-02 one address of another link", "", "Confirm mac=99 ia=1,2001:db8:1::99,2001:db8:7::1", "Reply NotOnLink"},
		{"S-18.3.3-03 a link that is not known", "", "Confirm mac=38 ia=1,2001:db8:1::38 in=eth7", "nothing"},
		{"S-18.3.3-04 no IA", "", "Confirm mac=38", "nothing"},
		{"S-18.3.3-04 an empty IA", "", "Confirm mac=38 ia=1", "nothing"},
		{"S-18.3.3-04 only an IA_PD", "", "Confirm mac=38 pd=1", "nothing"},
		{"S-18.3.3-09 an address that is reserved for another by now", "", "Confirm mac=99 ia=1,2001:db8:1::38", "Reply NotOnLink"},
		{"S-18.3.3-09 a client whose reservation is another by now", "", "Confirm mac=38 ia=1,2001:db8:1::99", "Reply NotOnLink"},
		{"a Confirm whose sender is not proven is judged by the link alone", "", "Confirm mac=38 frame=66 ia=1,2001:db8:1::38", "Reply Success"},

		// Renew and Rebind.
		{"S-18.3.4-02 Renew", "", "Renew mac=39 ia=1,2001:db8:1::39 server=own", "Reply IA 1 " + lease39},
		{"S-18.3.5-01 Rebind", "", "Rebind mac=39 ia=1,2001:db8:1::39", "Reply IA 1 " + lease39},
		{"whatever the IAID", "", "Renew mac=39 ia=12345,2001:db8:1::39 server=own", "Reply IA 12345 " + lease39},
		{"S-18.3.4-05 the reservation is another by now", "", "Renew mac=39 ia=1,2001:db8:1::99 server=own", "Reply IA 1 2001:db8:1::39 12h/24h 2001:db8:1::99 0s/0s T1 5h23m34s T2 8h37m43s"},
		{"S-18.3.4-06 an address of another link", "", "Renew mac=99 ia=1,2001:db8:7::1 server=own", "Reply IA 1 2001:db8:7::1 0s/0s"},
		{"S-18.3.5-03 S-18.3.5-04 an address of another link", "", "Rebind mac=99 ia=1,2001:db8:7::1", "Reply IA 1 2001:db8:7::1 0s/0s"},
		{"S-18.3.4-01 an address of another client", "", "Renew mac=99 ia=1,2001:db8:1::38 server=own", "Reply IA 1 2001:db8:1::38 0s/0s"},
		{"S-18.3.4-11 nothing is reserved", "", "Renew mac=99 ia=1,2001:db8:1::99 server=own", "Reply IA 1 NoBinding"},
		{"S-18.3.5-09 nothing is reserved", "", "Rebind mac=99 ia=1,2001:db8:1::99", "Reply IA 1 NoBinding"},
		{"S-18.3.4-15 times beside an IA without binding", "", "Renew mac=39 ia=1 ia=2,2001:db8:1::39 server=own", "Reply IA 1 NoBinding IA 2 " + lease39},
		{"S-18.3.4-11 IA_PD", "", "Renew mac=39 ia=1,2001:db8:1::39 pd=4 server=own", "Reply IA 1 " + lease39 + " PD 4 NoBinding"},
		{"S-18.3.4-13 S-18.3.5-12 options", "", "Rebind mac=39 ia=1,2001:db8:1::39 oro=23", "Reply IA 1 " + lease39 + " dns [2001:db8:1::53]"},

		// Release and Decline.
		{"S-18.3.7-04 Release", "", "Release mac=38 ia=1,2001:db8:1::38 server=own", "Reply Success"},
		{"S-18.3.7-05 S-18.3.7-06 an IA without binding", "", "Release mac=38 ia=1,2001:db8:1::38 ia=2,2001:db8:1::99 server=own", "Reply Success IA 2 NoBinding"},
		{"S-18.3.7-03 another's address", "", "Release mac=39 ia=1,2001:db8:1::38 server=own", "Reply Success"},
		{"S-18.3.7-05 a client without reservation", "", "Release mac=99 ia=1,2001:db8:1::38 server=own", "Reply Success IA 1 NoBinding"},
		{"S-18.3.8-06 Decline", "", "Decline mac=38 ia=1,2001:db8:1::38 server=own", "Reply Success"},
		{"S-18.3.8-07 Decline of a client without reservation", "", "Decline mac=99 ia=1,2001:db8:1::38 server=own", "Reply Success IA 1 NoBinding"},

		// Options.
		{"S-21.7-01 nothing asked for", "", "Request mac=38 ia=1 server=own", "Reply IA 1 " + lease38},
		{"S-18.3-04 S-21.23-06 everything asked for", "", "Request mac=38 ia=1 oro=23,24,56,82,83,32 server=own", "Reply IA 1 " + lease38 + " dns [2001:db8:1::53] search [example.org] ntp [2001:db8:1::123] sol-max-rt 2h inf-max-rt 3h"},
		{"S-18.3-04 a NIC that is not the default one", "", "Request mac=40 ia=1 oro=23,24,56,31,82,83 server=own", "Reply IA 1 2001:db8:1::40 1h/1h T1 24m50s T2 39m44s sol-max-rt 2h inf-max-rt 3h"},
		{"SNTP servers by the old option", "", "Request mac=38 ia=1 oro=31 server=own", "Reply IA 1 " + lease38 + " option 31"},
		{"S-21.23-04 S-21.23-08 SOL_MAX_RT in a refusal", "", "Solicit mac=99 ia=1 oro=82", "Advertise IA 1 NoAddrsAvail sol-max-rt 2h"},
		{"S-21.12-01 Server Unicast asked for", "", "Request mac=38 ia=1 oro=12 server=own", "Reply IA 1 " + lease38},
		{"S-18.3.6-04 S-21.23-01 Information-request", "", "Information-request mac=38 oro=23,24,32", "Reply dns [2001:db8:1::53] search [example.org] refresh 1h"},
		{"S-18.3.6-04 Information-request of a NIC that is not the default one", "", "Information-request mac=40 oro=23,32", "Reply refresh 1h"},
		{"S-18.3.6-06 Information-request without Client Identifier", "", "Information-request duid=none frame=40 oro=23", "Reply dns [2001:db8:1::53]"},
		{"S-21.23-03 no refresh time in another Reply", "", "Request mac=38 ia=1 oro=32 server=own", "Reply IA 1 " + lease38},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.config == "" {
				tt.config = plain
			}
			b := newBench(t, tt.config, reserved)
			if diff := cmp.Diff(tt.want, b.send(tt.send)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.send, diff)
			}
			// S-18.3.2-15: a repeat is processed anew, with the same outcome.
			if again := b.send(tt.send); again != tt.want && !strings.HasPrefix(tt.send, "Decline") {
				t.Errorf("sent again: %s", again)
			}
		})
	}
}

func TestS_18_3_10_AnswerGoesBackWhereTheMessageCameFrom(t *testing.T) {
	b := newBench(t, plain, reserved)
	ev := b.message("Solicit mac=38 ia=1 from=fe80::abcd port=40000")
	sent, ok := b.e.Step(0, ev)[0].(*Send)
	if !ok {
		t.Fatal("no answer")
	}
	got := *sent
	got.Msg = nil
	want := Send{Interface: "eth1", To: netip.MustParseAddrPort("[fe80::abcd]:546"), MAC: ev.FrameMAC}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("S-7.2-03 S-18.3.10-01 S-18.3.10-02 (-want +got):\n%s", diff)
	}
}

func TestDeclinedAddressIsHeldBackForAWhile(t *testing.T) {
	b := newBench(t, plain, reserved)
	got := b.run("Decline mac=38 ia=1,2001:db8:1::38 server=own", true)
	if !strings.Contains(got, `"address declined"`) || !strings.Contains(got, "2001:db8:1::38") || !strings.Contains(got, "hosts:1") {
		t.Errorf("S-18.3.8-04 reports %s", got)
	}
	if got := b.send("Solicit mac=38 ia=1 rapid"); got != "Advertise IA 1 NoAddrsAvail" {
		t.Errorf("S-18.3.8-08 right after: %s", got)
	}
	const until = "the address reserved for this client was declined and is held back for another "
	b.now = b.now.Add(time.Second / 2)
	if got := b.statusText("Request mac=38 ia=1 server=own"); got != until+"10m0s" {
		t.Errorf("the client is told: %s", got)
	}
	b.now = b.now.Add(time.Minute)
	if got := b.statusText("Renew mac=38 ia=1 server=own"); got != until+"9m0s" {
		t.Errorf("a minute later it is told: %s", got)
	}
	if got := b.statusText("Solicit mac=99 ia=1"); got != textNoAddress {
		t.Errorf("another client is told: %s", got)
	}
	b.now = b.now.Add(DeclineHold - time.Minute - time.Second/2 - 1)
	if got := b.send("Request mac=38 ia=1 server=own"); got != "Reply IA 1 NoAddrsAvail" {
		t.Errorf("before the time is over: %s", got)
	}
	b.now = b.now.Add(1)
	if got := b.send("Solicit mac=38 ia=1"); got != "Advertise IA 1 "+lease38 {
		t.Errorf("S-18.3.8-05 afterwards: %s", got)
	}
}

func TestDeclineOfAnothersAddressHoldsNothingBack(t *testing.T) {
	b := newBench(t, plain, reserved)
	b.send("Decline mac=39 ia=1,2001:db8:1::38 server=own")          // S-18.3.8-02
	b.send("Decline mac=38 frame=66 ia=1,2001:db8:1::38 server=own") // forged
	if got := b.send("Solicit mac=38 ia=1"); got != "Advertise IA 1 "+lease38 {
		t.Errorf("its owner gets %s", got)
	}
}

func TestSecondAddressOfTheLineFollowsADeclinedOne(t *testing.T) {
	b := newBench(t, plain, "06:a0:f0:00:00:38,[2001:db8:1::38],[2001:db8:1::138]\n")
	b.send("Decline mac=38 ia=1,2001:db8:1::38 server=own")
	if got := b.send("Solicit mac=38 ia=1"); !strings.Contains(got, "2001:db8:1::138 12h") {
		t.Errorf("got %s", got)
	}
}

func TestHeldAddressesAreBounded(t *testing.T) {
	h := holds{until: map[netip.Addr]clock.Instant{}}
	at := func(i int) netip.Addr { return netip.AddrFrom16([16]byte{0x20, 1, 14: byte(i >> 8), 15: byte(i)}) }
	for i := range 2 * maxHolds {
		h.add(at(i), clock.Instant(i))
	}
	if len(h.until) != maxHolds || len(h.queue) != maxHolds || h.left(at(0), 0) != 0 || h.left(at(2*maxHolds-1), 0) == 0 {
		t.Errorf("%d addresses are held back, limit %d", len(h.until), maxHolds)
	}
	h.add(at(0), clock.Instant(time.Hour))
	if len(h.until) != 1 || len(h.queue) != 1 {
		t.Errorf("an hour later %d are held back, want 1", len(h.until))
	}
}

func TestDecliningWithoutEndFreesNoOthersAddress(t *testing.T) {
	h := holds{until: map[netip.Addr]clock.Instant{}}
	theirs, own := netip.MustParseAddr("2001:db8:1::38"), netip.MustParseAddr("2001:db8:1::39")
	h.add(theirs, 0)
	for i := range 2 * maxHolds {
		h.add(own, clock.Instant(i))
	}
	if h.left(theirs, clock.Instant(DeclineHold-1)) == 0 || h.left(own, clock.Instant(DeclineHold)) != 0 || len(h.queue) != 2 {
		t.Errorf("%d in the queue: %v", len(h.queue), h.until)
	}
}

func TestHostsFileWinsAtOnceOverAnOldBinding(t *testing.T) {
	b := newBench(t, plain, reserved)
	b.send("Request mac=38 ia=1 server=own")
	// The address goes to a new machine while the old one sleeps.
	b.hosts("06:a0:f0:00:00:77,[2001:db8:1::38]\n")
	for send, want := range map[string]string{
		"Solicit mac=77 ia=1":                            "Advertise IA 1 2001:db8:1::38 12h/24h T1 4h51m5s T2 7h45m45s",
		"Confirm mac=38 ia=1,2001:db8:1::38":             "Reply NotOnLink",
		"Renew mac=38 ia=1,2001:db8:1::38 server=own":    "Reply IA 1 2001:db8:1::38 0s/0s",
		"Release mac=38 ia=1,2001:db8:1::38 server=own":  "Reply Success IA 1 NoBinding",
		"Decline mac=38 ia=1,2001:db8:1::38 server=own":  "Reply Success IA 1 NoBinding",
		"Request mac=77 ia=1,2001:db8:1::38 server=own":  "Reply IA 1 2001:db8:1::38 12h/24h T1 4h51m5s T2 7h45m45s",
		"Confirm mac=77 ia=1,2001:db8:1::38":             "Reply Success",
		"Rebind mac=77 ia=2,2001:db8:1::38":              "Reply IA 2 2001:db8:1::38 12h/24h T1 4h51m5s T2 7h45m45s",
		"Solicit mac=38 ia=1,2001:db8:1::38 rapid":       "Advertise IA 1 NoAddrsAvail",
		"Request mac=38 ia=1,2001:db8:1::38 server=own ": "Reply IA 1 NoAddrsAvail",
	} {
		if got := b.send(send); got != want {
			t.Errorf("%s: %s, want %s", send, got, want)
		}
	}
}

func TestComputedReservations(t *testing.T) {
	const config = "[network guests]\ninterface = eth1\nprefix = 2001:db8:1::/64\nassign = eui64\nvalid_lifetime = infinite\npreferred_lifetime = infinite\ndns = 2001:db8:1::53\n"
	b := newBench(t, config, `06:a0:f0:00:00:39,[2001:db8:1::39],by-line
06:a0:f0:00:00:40,set:nondefault6
06:a0:f0:00:00:42,ignore
06:a0:f0:00:00:43,[2001:db8:1:0:4a0:f0ff:fe00:44]
`)
	for send, want := range map[string]string{
		"Solicit mac=38 ia=1":                                          "Advertise IA 1 2001:db8:1:0:4a0:f0ff:fe00:38 inf/inf T1 inf T2 inf",
		"Solicit mac=38 frame=66 ia=1":                                 "Advertise IA 1 NoAddrsAvail",
		"Solicit mac=39 ia=1":                                          "Advertise IA 1 2001:db8:1::39 inf/inf T1 inf T2 inf",
		"Solicit mac=40 ia=1 oro=23":                                   "Advertise IA 1 2001:db8:1:0:4a0:f0ff:fe00:40 inf/inf T1 inf T2 inf",
		"Solicit mac=42 ia=1":                                          "nothing",
		"Solicit mac=44 ia=1":                                          "Advertise IA 1 NoAddrsAvail", // a line gives its address to another
		"Solicit mac=00:00:5e:00:01:01 ia=1":                           "Advertise IA 1 NoAddrsAvail", // S-13.1-09
		"Confirm mac=38 ia=1,2001:db8:1:0:4a0:f0ff:fe00:38":            "Reply Success",
		"Confirm mac=38 ia=1,2001:db8:1:0:4a0:f0ff:fe00:40":            "Reply NotOnLink",
		"Renew mac=38 ia=1,2001:db8:1:0:4a0:f0ff:fe00:40 server=own":   "Reply IA 1 2001:db8:1:0:4a0:f0ff:fe00:38 inf/inf 2001:db8:1:0:4a0:f0ff:fe00:40 0s/0s T1 inf T2 inf",
		"Solicit mac=38 duid=00010001aabbccdd06a0f0000038 ia=1":        "Advertise IA 1 NoAddrsAvail",
		"Decline mac=38 ia=1,2001:db8:1:0:4a0:f0ff:fe00:40 server=own": "Reply Success",
	} {
		if got := b.send(send); got != want {
			t.Errorf("%s:\n%s, want\n%s", send, got, want)
		}
	}
}

func TestRelays(t *testing.T) {
	const config = `[server]
hosts = /hosts
trusted_relays = 2001:db8:f::1 2001:db8:f::2
[network guests]
interface = eth1
prefix = 2001:db8:1::/64
[network far]
prefix = 2001:db8:2::/64
`
	lines := reserved + "06:a0:f0:00:00:38,[2001:db8:2::38],infinite\n"
	far := "2001:db8:2::38 inf/inf T1 inf T2 inf"
	to := " through 1 relays to [2001:db8:f::1]:547"
	for _, tt := range []struct{ name, send, want string }{
		{"S-13.1-02 S-18.3.10-03 by the link-address", "Solicit mac=38 ia=1 from=2001:db8:f::1 relay=2001:db8:2::1,fe80::9,38", "Advertise IA 1 " + far + to},
		{"S-7.2-02 the relay's source port does not matter", "Solicit mac=38 ia=1 from=2001:db8:f::1 port=40000 relay=2001:db8:2::1,fe80::9,38", "Advertise IA 1 " + far + to},
		{"S-16-06 by unicast", "Solicit mac=38 ia=1 unicast from=2001:db8:f::1 relay=2001:db8:2::1,fe80::9,38", "Advertise IA 1 " + far + to},
		{"S-13.1-05 a link-address of no network", "Solicit mac=38 ia=1 from=2001:db8:f::1 relay=2001:db8:7::1,fe80::9,38", "nothing"},
		{"S-13.1-05 Confirm with a link-address of no network", "Confirm mac=38 ia=1,2001:db8:2::38 from=2001:db8:f::1 relay=2001:db8:7::1,fe80::9,38", "nothing"},
		{"S-13.1-03 S-6221-01 only :: is the receiving link", "Solicit mac=38 ia=1 from=fe80::9 relay=::,fe80::9 frame=38", "Advertise IA 1 " + lease38 + " through 1 relays to [fe80::9]:547"},
		{"a trusted relay's address as the source on the guests' own link", "Solicit mac=38 ia=1 from=2001:db8:f::1 relay=2001:db8:1::1,fe80::9,38", "nothing"},
		{"likewise, without a link-address", "Solicit mac=38 ia=1 from=2001:db8:f::1 relay=::,fe80::9,38", "nothing"},
		{"S-13.1-04 the link-address nearest to the client", "Solicit mac=38 ia=1 from=2001:db8:f::1 relay=2001:db8:1::1,2001:db8:f::2 relay=2001:db8:2::1,fe80::9,38", "Advertise IA 1 " + far + " through 2 relays to [2001:db8:f::1]:547"},
		{"S-6221-01 :: inside a relay with a link-address", "Solicit mac=38 ia=1 from=2001:db8:f::1 relay=2001:db8:2::1,2001:db8:f::2 relay=::,fe80::9,38", "Advertise IA 1 " + far + " through 2 relays to [2001:db8:f::1]:547"},
		{"S-6939-01 option 79 of the relay nearest to the client", "Solicit mac=38 ia=1 from=2001:db8:f::1 relay=2001:db8:2::1,2001:db8:f::2,99 relay=2001:db8:2::1,fe80::9,38", "Advertise IA 1 " + far + " through 2 relays to [2001:db8:f::1]:547"},
		{"a client that plays the relay behind a real one", "Solicit mac=38 ia=1 from=2001:db8:f::1 relay=2001:db8:2::1,fe80::9,99 relay=2001:db8:2::1,fe80::9,38", "Advertise IA 1 NoAddrsAvail through 2 relays to [2001:db8:f::1]:547"},
		{"a relay that is not trusted", "Solicit mac=38 ia=1 from=2001:db8:f::9 relay=2001:db8:2::1,fe80::9,38", "Advertise IA 1 NoAddrsAvail through 1 relays to [2001:db8:f::9]:547"},
		{"a trusted relay that names no MAC", "Solicit mac=38 ia=1 from=2001:db8:f::1 relay=2001:db8:2::1,fe80::9", "Advertise IA 1 NoAddrsAvail" + to},
		{"S-11-04 a DUID-LL that the relay contradicts", "Solicit mac=38 ia=1 from=2001:db8:f::1 relay=2001:db8:2::1,fe80::9,99", "Advertise IA 1 NoAddrsAvail" + to},
		{"S-16.14-02 section 16 holds through relays", "Request mac=38 ia=1 from=2001:db8:f::1 relay=2001:db8:2::1,fe80::9,38", "nothing"},
		{"S-16.3-01 Advertise through a relay", "Advertise mac=38 ia=1 server=other from=2001:db8:f::1 relay=2001:db8:2::1,fe80::9,38", "nothing"},
		{"a multicast source", "Solicit mac=38 ia=1 from=ff02::1 relay=2001:db8:2::1,fe80::9,38", "nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := newBench(t, config, lines).send(tt.send); got != tt.want {
				t.Errorf("%s:\n%s, want\n%s", tt.send, got, tt.want)
			}
		})
	}
	t.Run("S-6939-05 option 79 of another hardware type", func(t *testing.T) {
		b := newBench(t, config, lines)
		ev := b.message("Solicit mac=38 ia=1 from=2001:db8:f::1 relay=2001:db8:2::1,fe80::9,38")
		ev.Relays[0].ClientLinkLayer.Type = 6
		if s, ok := b.e.Step(0, ev)[0].(*Send); ok && len(s.Msg.IANAs[0].Addresses) > 0 {
			t.Error("a lease for a MAC that is none")
		}
	})
	t.Run("S-8357-02 the relay's own port", func(t *testing.T) {
		b := newBench(t, config, lines)
		ev := b.message("Solicit mac=38 ia=1 from=2001:db8:f::1 port=40000 relay=2001:db8:2::1,fe80::9,38")
		ev.Relays[0].Others = []wire.Option{{Code: dhcpv6.OptionRelayPort, Data: []byte{0, 0}}}
		if s, ok := b.e.Step(0, ev)[0].(*Send); !ok || s.To.Port() != 40000 {
			t.Errorf("answer to %v, want port 40000", s.To)
		}
	})
	t.Run("S-6939-02 option 79 in the client's own message is nothing", func(t *testing.T) {
		b := newBench(t, strings.Replace(plain, "[server]", "[server]\nidentity = frame", 1), reserved)
		ev := b.message("Solicit mac=99 ia=1")
		ev.Msg.Others = []wire.Option{{Code: dhcpv6.OptionClientLinkLayerAddr, Data: []byte("\x00\x01\x06\xa0\xf0\x00\x00\x38")}}
		if s, ok := b.e.Step(0, ev)[0].(*Send); ok && len(s.Msg.IANAs[0].Addresses) > 0 {
			t.Error("the client chose its MAC itself")
		}
	})
}

// TestS_13_1_08_TheRoutersOwnAddressIsNeverGiven: a line that reserves it is of no effect, and nobody keeps it; so
// with the identifiers that RFC 5453 reserves (S-13.1-09).
func TestS_13_1_08_TheRoutersOwnAddressIsNeverGiven(t *testing.T) {
	const lines = "06:a0:f0:00:00:39,[2001:db8:1::1]\n06:a0:f0:00:00:40,[2001:db8:1::1],[2001:db8:1::40]\n06:a0:f0:00:00:41,[2001:db8:1::]\n"
	b := newBench(t, plain, lines)
	b.step(OwnAddress{Addr: netip.MustParseAddr("2001:db8:1::1")})
	computed := newBench(t, plain+"assign = eui64\n", "")
	computed.step(OwnAddress{Addr: netip.MustParseAddr("2001:db8:1:0:4a0:f0ff:fe00:38")})
	for _, tt := range []struct {
		b          *bench
		send, want string
	}{
		{b, "Solicit mac=39 ia=1", "Advertise IA 1 NoAddrsAvail"},
		{b, "Request mac=39 ia=1 server=own", "Reply IA 1 NoAddrsAvail"},
		{b, "Confirm mac=39 ia=1,2001:db8:1::1", "Reply NotOnLink"},
		{b, "Renew mac=39 ia=1,2001:db8:1::1 server=own", "Reply IA 1 2001:db8:1::1 0s/0s"},
		{b, "Renew mac=66 ia=1,2001:db8:1::1 server=own", "Reply IA 1 2001:db8:1::1 0s/0s"},
		{b, "Solicit mac=40 ia=1", "Advertise IA 1 2001:db8:1::40 12h/24h T1 4h58m3s T2 7h56m53s"},
		{b, "Solicit mac=41 ia=1", "Advertise IA 1 NoAddrsAvail"},
		{computed, "Solicit mac=38 ia=1", "Advertise IA 1 NoAddrsAvail"},
		{computed, "Confirm mac=38 ia=1,2001:db8:1:0:4a0:f0ff:fe00:38", "Reply NotOnLink"},
	} {
		if got := tt.b.send(tt.send); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.send, got, tt.want)
		}
	}
	for send, want := range map[string]string{
		"Solicit mac=39 ia=1": `reason="its address is this router's own" network="guests" line="hosts:1" try="reserve another address for it, or take that one off the router"`,
		"Solicit mac=41 ia=1": `reason="its address has an interface identifier that RFC 5453 reserves" network="guests" line="hosts:3" try="reserve another address for it"`,
	} {
		said := newBench(t, plain, lines)
		said.step(OwnAddress{Addr: netip.MustParseAddr("2001:db8:1::1")})
		if got := said.run(send, true); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", send, got, want)
		}
	}
	b.step(OwnAddress{Addr: netip.MustParseAddr("2001:db8:1::1"), Gone: true})
	if got := b.send("Solicit mac=40 ia=1"); !strings.Contains(got, "2001:db8:1::1 ") {
		t.Errorf("when the router has it no more: %s", got)
	}
}

func TestWhyAClientGetsNothingIsSaid(t *testing.T) {
	for _, tt := range []struct{ send, want string }{
		{"Solicit mac=99 ia=1", `reason="no reservation for it"`},
		{"Solicit mac=99 ia=1", `id:00:03:00:01:06:a0:f0:00:00:99,[ADDRESS]`},
		{"Solicit mac=38 frame=66 ia=1", `reason="its DUID-LL is not of the MAC that its frames come from"`},
		{"Solicit mac=38 frame=66 ia=1", `verify_frame = no`},
		{"Solicit mac=38 duid=00010001aabbccdd06a0f0000038 ia=1", `reason="its DUID is no DUID-LL, and no hosts line names it"`},
		{"Solicit mac=38 duid=00010001aabbccdd06a0f0000038 ia=1", `identity = frame: there is a reservation for its MAC 06:a0:f0:00:00:38`},
		{"Solicit mac=43 ia=1", `reason="its reserved address is not in this network's prefix"`},
		{"Solicit mac=38 frame=none ia=1", `reason="its MAC is not known: the message came in IPv6 fragments"`},
		{"Renew mac=99 ia=1 server=own", `"no address for client"`},
		{"Release mac=38 frame=66 ia=1,2001:db8:1::38 server=own", `"release refused"`},
		{"Decline mac=38 frame=66 ia=1,2001:db8:1::38 server=own", `"decline refused"`},
		{"Solicit mac=38 ia=1 from=2001:db8::1 relay=2001:db8:1::1,fe80::9,38", `trusted_relays`},
	} {
		t.Run(tt.send, func(t *testing.T) {
			if got := newBench(t, afarIf(tt.send, plain), reserved).run(tt.send, true); !strings.Contains(got, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestReportsAreBounded(t *testing.T) {
	b := newBench(t, plain, reserved)
	reports := func(send string) int { return strings.Count(b.run(send, true), "reports") }
	if n := reports("Solicit mac=99 ia=1") + reports("Solicit mac=99 ia=1"); n != 1 {
		t.Errorf("%d lines for one MAC and reason, want 1", n)
	}
	b.now = b.now.Add(time.Hour)
	if got := b.run("Solicit mac=99 ia=1", true); !strings.Contains(got, `lines_not_shown="1"`) {
		t.Errorf("an hour later: %s", got)
	}
	n := 0
	for i := range 3 * maxReported {
		n += reports(fmt.Sprintf("Solicit mac=06:a0:%02x:%02x:%02x:99 ia=1", byte(i>>16), byte(i>>8), byte(i)))
	}
	if n > maxReported {
		t.Errorf("%d lines for ever new MACs, limit %d", n, maxReported)
	}
}

// TestS_18_3_9_06_AdvertiseHasWhatTheReplyWillHave is S-18.3.9-06, S-18.3.9-07 and S-18.3.9-11.
func TestS_18_3_9_06_AdvertiseHasWhatTheReplyWillHave(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		b := newBench(t, plain, reserved)
		words := fmt.Sprintf(" mac=%02d ia=%d oro=%d,%d,%d", 36+r.IntN(6), r.IntN(3), 20+r.IntN(40), 23+r.IntN(2), 80+r.IntN(5))
		if r.IntN(2) == 0 {
			words += " ia=7,2001:db8:1::39 pd=3"
		}
		_, offer, _ := strings.Cut(b.send("Solicit"+words), " ")
		_, lease, _ := strings.Cut(b.send("Request server=own"+words), " ")
		if offer != lease {
			t.Fatalf("%s: offered %s, given %s", words, offer, lease)
		}
	}
}

// checkAnswer holds for every message that the engine sends.
func checkAnswer(t *testing.T, in Received, s *Send) {
	t.Helper()
	m := s.Msg
	if m.Type != dhcpv6.MessageTypeAdvertise && m.Type != dhcpv6.MessageTypeReply {
		t.Errorf("sends %s", wire.TypeName(m.Type))
	}
	if m.ServerID != own || m.ClientID != in.Msg.ClientID || m.TransactionID != in.Msg.TransactionID {
		t.Errorf("S-18.3-02 S-18.3-03 S-16.10-02 identifiers of %v", m)
	}
	if m.RapidCommit && (m.Type != dhcpv6.MessageTypeReply || in.Msg.Type != dhcpv6.MessageTypeSolicit) {
		t.Errorf("S-21.14-01 Rapid Commit in %v", m)
	}
	if s.To.Port() != 546 && len(s.Relays) == 0 {
		t.Errorf("S-7.2-03 answer to %s", s.To)
	}
	for _, ia := range m.IANAs {
		if ia.T1 > ia.T2 {
			t.Errorf("S-21.4-04 T1 %s above T2 %s", ia.T1, ia.T2)
		}
		if ia.Status != nil && len(ia.Addresses) > 0 {
			t.Errorf("addresses beside %v", ia.Status)
		}
		for _, a := range ia.Addresses {
			if a.Preferred > a.Valid {
				t.Errorf("S-21.6-02 preferred %s above valid %s", a.Preferred, a.Valid)
			}
		}
	}
	if st := m.Status; st != nil && st.Code != iana.StatusSuccess && st.Code != iana.StatusNotOnLink {
		t.Errorf("S-21.4-06 %v at the top level", st)
	}
	b, err := wire.EncodeRelayReply(s.Relays, m)
	if err != nil {
		t.Errorf("encode: %v", err)
	} else if len(s.Relays) == 0 {
		back, err := wire.Decode(b)
		if err != nil || len(back.Flaws) > 0 {
			t.Errorf("the answer does not decode: %v %v", err, back)
		} else if err := back.CheckForClient(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzEngine(f *testing.F) {
	for _, seed := range []string{
		"\x01\x01\x02\x03\x00\x01\x00\x0a\x00\x03\x00\x01\x06\xa0\xf0\x00\x00\x38\x00\x03\x00\x0c\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x02\x00\x17",
		"\x05\x01\x02\x03\x00\x01\x00\x0a\x00\x03\x00\x01\x06\xa0\xf0\x00\x00\x38\x00\x02\x00\x0a\x00\x03\x00\x01\x02\x00\x00\x00\x00\x01\x00\x03\x00\x0c\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00",
		"\x0c\x00" + strings.Repeat("\x00", 32) + "\x00\x09\x00\x04\x0b\x01\x02\x03",
	} {
		f.Add([]byte(seed), []byte("\x06\xa0\xf0\x00\x00\x38"), uint8(0))
	}
	configs := []string{
		plain,
		strings.Replace(plain, "[server]", "[server]\nidentity = frame\ntrusted_relays = fe80::1", 1),
		strings.Replace(plain, "[server]", "[server]\nverify_frame = no\ntrusted_relays = fe80::1\npreference = 255", 1),
		plain + "assign = eui64\n",
	}
	f.Fuzz(func(t *testing.T, packet, mac []byte, which uint8) {
		msg, relays, err := wire.DecodeRelayed(packet)
		b := newBench(t, configs[int(which)%len(configs)], reserved)
		if err != nil {
			b.e.Step(0, Malformed{Interface: "eth1", FrameMAC: mac, From: netip.MustParseAddrPort("[fe80::1]:546"), Err: err})
			return
		}
		in := Received{Msg: msg, Relays: relays, Interface: "eth1", FrameMAC: mac, From: netip.MustParseAddrPort("[fe80::1]:546")}
		sent := 0
		for _, a := range b.e.Step(0, in) {
			if s, ok := a.(*Send); ok {
				sent++
				checkAnswer(t, in, s)
			}
		}
		if sent > 1 {
			t.Errorf("%d answers", sent)
		}
	})
}
