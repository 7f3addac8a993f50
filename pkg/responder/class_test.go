package responder

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/v6guest/v6guest/pkg/wire"
)

// classy is a network with options of every kind, and classes.
const classy = `[server]
hosts = /hosts
[network guests]
interface = eth1
prefix = 2001:db8:1::/64
dns = 2001:db8:1::53
search = example.org
ntp = 2001:db8:1::123 ff05::101 time.example.org
information_refresh = 1h
option.59 = 68:74 74
option.17 = 0000 ab11 0001 0002 beef
[network more]
interface = eth2
prefix = 2001:db8:2::/64
dns = 2001:db8:2::53
[class storage]
dns =
ntp = 2001:db8:1::7
option.59 =
option.60 = 01
information_refresh = 2h
[class nondefault6]
search = storage.example
[class short guests]
preferred_lifetime = 10m
valid_lifetime = 20m
dns = 2001:db8:1::99
[class preferred]
preferred_lifetime = infinite
`

// lines of clients with tags.
const tagged = `06:a0:f0:00:00:38,[2001:db8:1::38],[2001:db8:2::38]
06:a0:f0:00:00:39,[2001:db8:1::39],set:storage
06:a0:f0:00:00:40,[2001:db8:1::40],set:nondefault6
06:a0:f0:00:00:41,[2001:db8:1::41],set:nondefault6,set:storage
06:a0:f0:00:00:42,[2001:db8:1::42],[2001:db8:2::42],set:short
06:a0:f0:00:00:43,[2001:db8:1::43],set:short,set:storage,5m
06:a0:f0:00:00:44,[2001:db8:1::44],set:preferred
06:a0:f0:00:00:45,[2001:db8:1::45],set:something
`

func TestClassesGiveAndTakeAwayByTag(t *testing.T) {
	const all = " oro=17,23,24,31,32,56,59,60"
	for _, tt := range []struct{ name, send, want string }{
		{
			"no tag", "Information-request mac=38" + all,
			"dns [2001:db8:1::53] search [example.org] ntp [2001:db8:1::123] option 56 option 56 option 31 option 17 option 59 refresh 1h",
		},
		{"S-21.14-05 what is not asked for is not sent", "Information-request mac=38 oro=59", "option 59"},
		{"nothing is asked for", "Information-request mac=38", ""},
		{"a tag without a class", "Information-request mac=45 oro=23,59", "dns [2001:db8:1::53] option 59"},
		{
			"an empty key takes away, another gives", "Information-request mac=39" + all,
			"search [example.org] ntp [2001:db8:1::7] option 31 option 17 option 60 refresh 2h",
		},
		{"nondefault6 takes all away, its class gives some", "Information-request mac=40" + all, "search [storage.example] refresh 1h"},
		{"of two classes the later wins", "Information-request mac=41" + all, "search [storage.example] ntp [2001:db8:1::7] option 31 option 60 refresh 2h"},
		{"a class for one network", "Information-request mac=42 oro=23", "dns [2001:db8:1::99]"},
		{"is none in another", "Information-request mac=42 in=eth2 oro=23", "dns [2001:db8:2::53]"},
		{"lifetimes", "Solicit mac=42 ia=1", "IA 1 2001:db8:1::42 10m/20m T1 4m20s T2 6m57s"},
		{"lifetimes of the line win", "Solicit mac=43 ia=1", "IA 1 2001:db8:1::43 5m/5m T1 2m2s T2 3m16s"},
		{"a preferred lifetime is never above the valid one", "Solicit mac=44 ia=1", "IA 1 2001:db8:1::44 24h/24h T1 11h5m34s T2 17h44m55s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := newBench(t, classy, tagged).send(tt.send)
			_, got, _ = strings.Cut(got+" ", " ")
			if got = strings.TrimSpace(got); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestOptionsReachTheWireAsTheyAreWritten, S-5908-01: one time source in each option 56, its name uncompressed (S-5908-03);
// S-21.14-03: a vendor's options in one option 17.
func TestOptionsReachTheWireAsTheyAreWritten(t *testing.T) {
	b := newBench(t, classy, tagged)
	for _, a := range b.step(b.message("Information-request mac=38 oro=17,56,59")) {
		s, ok := a.(*Send)
		if !ok {
			continue
		}
		packet, err := s.Msg.AppendAnswer(nil)
		b.check(err)
		m, err := wire.Decode(packet)
		b.check(err)
		got := fmt.Sprint("ntp ", m.NTP)
		for _, o := range m.Others {
			got += fmt.Sprintf(" %d:%s", o.Code, hex.EncodeToString(o.Data))
		}
		want := "ntp [2001:db8:1::123]" +
			" 56:00020010ff050000000000000000000000000101" +
			" 56:00030012" + "0474696d65076578616d706c65036f726700" +
			" 17:0000ab1100010002beef 59:687474"
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestServersOfClassesAreInNoPool: nobody gets the address of a server that guests are told of.
func TestServersOfClassesAreInNoPool(t *testing.T) {
	config := strings.Replace(classy, "[network more]", "pool = 2001:db8:1::98-2001:db8:1::99\n[network more]", 1)
	if got := newBench(t, config, "").send("Solicit mac=46 ia=1,2001:db8:1::99"); !strings.Contains(got, "2001:db8:1::98") {
		t.Error(got)
	}
}
