package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/insomniacslk/dhcp/rfc1035label"
)

// The library is an independent peer here: what both read must mean the same.

// TestLibraryReadsWhatWeWrite proves it for messages made at random.
func TestLibraryReadsWhatWeWrite(t *testing.T) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, seed))
	for n := range 5000 {
		m := randomMessage(r)
		b := mustEncode(t, m)
		lib, err := dhcpv6.MessageFromBytes(b)
		if err != nil {
			t.Fatalf("seed %d, message %d: the library refuses %x: %v", seed, n, b, err)
		}
		got := mustDecode(t, b)
		if diff := cmp.Diff(m, got, compare); diff != "" {
			t.Fatalf("seed %d, message %d: round trip (-want +got):\n%s", seed, n, diff)
		}
		if diff := cmp.Diff(meaning(lib), inLibraryTerms(got), compare); diff != "" {
			t.Fatalf("seed %d, message %d: -library +wire:\n%s", seed, n, diff)
		}
	}
}

// TestBothReadThePackets proves it for the packets of testdata.
func TestBothReadThePackets(t *testing.T) {
	for name, b := range packets(t) {
		t.Run(name, func(t *testing.T) {
			d, err := dhcpv6.FromBytes(b)
			if flawed := strings.HasPrefix(name, "flawed-"); flawed || err != nil {
				if !flawed {
					t.Fatalf("the library refuses it: %v", err)
				}
				return // what each makes of a malformed packet differs: that is why wire exists
			}
			lib, err := d.GetInnerMessage()
			if err != nil {
				t.Fatal(err)
			}
			m, relays, err := DecodeRelayed(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(meaning(lib), inLibraryTerms(m), compare); diff != "" {
				t.Errorf("-library +wire:\n%s", diff)
			}
			for _, want := range relays {
				outer := d.(*dhcpv6.RelayMessage)
				_, mac := outer.Options.ClientLinkLayerAddress()
				got := Relay{
					HopCount: outer.HopCount, LinkAddr: address(outer.LinkAddr), PeerAddr: address(outer.PeerAddr),
					Interface: outer.Options.InterfaceID(),
				}
				if mac != nil {
					got.ClientLinkLayer = &LinkLayer{Type: 1, Addr: mac}
				}
				if diff := cmp.Diff(got, want, compare); diff != "" {
					t.Errorf("relay: -library +wire:\n%s", diff)
				}
				d = outer.Options.RelayMessage()
			}
		})
	}
}

// TestWeReadWhatTheLibraryWrites takes the messages that its own builders make.
func TestWeReadWhatTheLibraryWrites(t *testing.T) {
	duid := &dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: guestMAC}
	serverID := &dhcpv6.DUIDUUID{UUID: [16]byte{1, 2, 3}}
	solicit, err := dhcpv6.NewSolicit(guestMAC, dhcpv6.WithClientID(duid), dhcpv6.WithRapidCommit, dhcpv6.WithFQDN(1, "vm1.example.org"))
	if err != nil {
		t.Fatal(err)
	}
	advertise, err := dhcpv6.NewAdvertiseFromSolicit(solicit, dhcpv6.WithServerID(serverID),
		dhcpv6.WithIANA(dhcpv6.OptIAAddress{IPv6Addr: net.IP(guestAddr.AsSlice()), PreferredLifetime: time.Hour, ValidLifetime: 2 * time.Hour}),
		dhcpv6.WithDNS(net.ParseIP("2001:db8::53")), dhcpv6.WithDomainSearchList("example.org", "cloud.internal"),
		dhcpv6.WithOption(dhcpv6.OptPreference(7)))
	if err != nil {
		t.Fatal(err)
	}
	request, err := dhcpv6.NewRequestFromAdvertise(advertise)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := dhcpv6.NewReplyFromMessage(request, dhcpv6.WithServerID(serverID), dhcpv6.WithInformationRefreshTime(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, lib := range []*dhcpv6.Message{solicit, advertise, request, reply} {
		t.Run(lib.MessageType.String(), func(t *testing.T) {
			m := mustDecode(t, lib.ToBytes())
			if len(m.Flaws) > 0 {
				t.Errorf("flaws: %v", m.Flaws)
			}
			if diff := cmp.Diff(meaning(lib), inLibraryTerms(m), compare); diff != "" {
				t.Errorf("-library +wire:\n%s", diff)
			}
		})
	}
}

// meaning is what the library read, as far as it has types for it.
func meaning(lib *dhcpv6.Message) *Message {
	o := lib.Options
	m := &Message{
		Type: lib.MessageType, TransactionID: lib.TransactionID,
		ClientID: duidOf(o.ClientID()), ServerID: duidOf(o.ServerID()),
		Requested: o.RequestedOptions(), Preference: o.Preference(), Elapsed: o.ElapsedTime(), Status: statusOf(o.Status()),
		RapidCommit: o.GetOne(dhcpv6.OptionRapidCommit) != nil, ReconfigureAccept: o.GetOne(dhcpv6.OptionReconfAccept) != nil,
		DNS: addresses(o.DNS()), NTP: addresses(o.NTPServers()),
	}
	if len(m.NTP) == 0 {
		m.NTP = addresses(o.SNTP())
	}
	if list := o.DomainSearchList(); list != nil {
		m.Search = list.Labels
	}
	if o.GetOne(dhcpv6.OptionInformationRefreshTime) != nil {
		m.InformationRefresh = new(o.InformationRefreshTime(0))
	}
	if f := o.FQDN(); f != nil { // the library does not say whether the name is a partial one
		m.FQDN = &FQDN{Flags: f.Flags, Name: strings.Join(f.DomainName.Labels, ".")}
	}
	for _, ia := range o.IANA() {
		is := IANA{ID: IAID(binary.BigEndian.Uint32(ia.IaId[:])), T1: ia.T1, T2: ia.T2, Status: statusOf(ia.Options.Status())}
		for _, a := range ia.Options.Addresses() {
			is.Addresses = append(is.Addresses, Address{
				Addr: address(a.IPv6Addr), Preferred: a.PreferredLifetime, Valid: a.ValidLifetime, Status: statusOf(a.Options.Status()),
			})
		}
		m.IANAs = append(m.IANAs, is)
	}
	for _, ia := range o.IAPD() {
		is := IAPD{ID: IAID(binary.BigEndian.Uint32(ia.IaId[:])), T1: ia.T1, T2: ia.T2, Status: statusOf(ia.Options.Status())}
		for _, p := range ia.Options.Prefixes() {
			bits, _ := p.Prefix.Mask.Size()
			is.Prefixes = append(is.Prefixes, Prefix{
				Prefix:    netip.PrefixFrom(address(p.Prefix.IP), bits),
				Preferred: p.PreferredLifetime, Valid: p.ValidLifetime, Status: statusOf(p.Options.Status()),
			})
		}
		m.IAPDs = append(m.IAPDs, is)
	}
	return m
}

// inLibraryTerms is m without what the library has no types for.
func inLibraryTerms(m *Message) *Message {
	c := *m
	c.Auth, c.ReconfigureMessage, c.SOLMaxRT, c.INFMaxRT, c.Others = nil, 0, 0, 0, nil
	if c.FQDN != nil {
		c.FQDN = &FQDN{Flags: c.FQDN.Flags, Name: c.FQDN.Name}
	}
	return &c
}

func duidOf(d dhcpv6.DUID) DUID {
	if d == nil {
		return ""
	}
	return DUID(d.ToBytes())
}

func statusOf(s *dhcpv6.OptStatusCode) *Status {
	if s == nil {
		return nil
	}
	return &Status{Code: s.StatusCode, Text: s.StatusMessage}
}

func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip.To16())
	return a
}

func addresses(ips []net.IP) []netip.Addr {
	var list []netip.Addr
	for _, ip := range ips {
		list = append(list, address(ip))
	}
	return list
}

// randomMessage makes a message in the form that Decode gives it.
func randomMessage(r *rand.Rand) *Message {
	m := &Message{Type: dhcpv6.MessageType(1 + r.IntN(11)), Preference: uint8(r.IntN(3)), RapidCommit: r.IntN(2) == 0}
	binary.BigEndian.PutUint16(m.TransactionID[:], uint16(r.Uint32()))
	m.ClientID, m.ServerID = randomDUID(r), randomDUID(r)
	m.Status, m.ReconfigureAccept = randomStatus(r), r.IntN(2) == 0
	if IsClientMessage(m.Type) {
		m.Elapsed = time.Duration(r.IntN(0x10000)) * elapsedUnit
	}
	for range r.IntN(3) {
		ia := IANA{ID: IAID(r.Uint32()), T1: randomLifetime(r), T2: randomLifetime(r), Status: randomStatus(r)}
		for range r.IntN(3) {
			ia.Addresses = append(ia.Addresses, Address{
				Addr: randomAddr(r), Preferred: randomLifetime(r), Valid: randomLifetime(r), Status: randomStatus(r),
			})
		}
		m.IANAs = append(m.IANAs, ia)
	}
	for range r.IntN(2) {
		m.IAPDs = append(m.IAPDs, IAPD{ID: IAID(r.Uint32()), T2: randomLifetime(r), Prefixes: []Prefix{{
			Prefix: netip.PrefixFrom(randomAddr(r), 1+r.IntN(128)).Masked(), Valid: randomLifetime(r), Status: randomStatus(r),
		}}})
	}
	for range r.IntN(4) {
		m.Requested = append(m.Requested, dhcpv6.OptionCode(r.Uint32()))
		m.DNS = append(m.DNS, randomAddr(r))
		m.NTP = append(m.NTP, randomAddr(r))
		m.Search = append(m.Search, randomName(r))
		m.Others = append(m.Others, Option{Code: dhcpv6.OptionCode(1000 + r.IntN(1000)), Data: []byte{byte(r.Uint32())}})
	}
	if r.IntN(2) == 0 {
		m.FQDN = &FQDN{Flags: []uint8{0, 1, 2, 3, 4, 6}[r.IntN(6)], Name: randomName(r), Partial: r.IntN(2) == 0}
		m.InformationRefresh = new(randomLifetime(r))
		m.SOLMaxRT, m.INFMaxRT = time.Duration(r.IntN(100))*time.Second, time.Duration(r.IntN(100))*time.Second
		m.ReconfigureMessage = dhcpv6.MessageType(r.IntN(256))
		m.Auth = &Auth{Protocol: 3, Algorithm: 1, Replay: r.Uint64(), Info: []byte{1, 2}}
	}
	return m
}

func randomDUID(r *rand.Rand) DUID {
	if r.IntN(4) == 0 {
		return ""
	}
	// Not of type UUID, which the library refuses unless it has 16 bytes more, nor one too short for its type.
	b := append([]byte{0, byte(5 + r.IntN(200))}, make([]byte, 1+r.IntN(128))...)
	b[2] = byte(r.Uint32())
	return DUID(b)
}

func randomStatus(r *rand.Rand) *Status {
	if r.IntN(3) > 0 {
		return nil
	}
	return &Status{Code: iana.StatusCode(r.IntN(8)), Text: strings.Repeat("ä", r.IntN(50))}
}

func randomLifetime(r *rand.Rand) time.Duration {
	return []time.Duration{0, time.Second, time.Hour, 0x80000000 * time.Second, 0xfffffffe * time.Second, Infinite}[r.IntN(6)]
}

func randomAddr(r *rand.Rand) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], 0x20010db800000000|uint64(r.Uint32()))
	binary.BigEndian.PutUint64(b[8:], r.Uint64())
	return netip.AddrFrom16(b)
}

func randomName(r *rand.Rand) string {
	labels := make([]string, 1+r.IntN(4))
	for i := range labels {
		labels[i] = strings.Repeat(string(rune('a'+r.IntN(26))), 1+r.IntN(maxLabel-3))
	}
	return strings.Join(labels, ".")
}

// TestHostileListIsHostile makes sure that the hostile list of the benchmarks is one, and documents why
// the library's decoder is not used on packets from strangers.
func TestHostileListIsHostile(t *testing.T) {
	b := hostileList(300)
	labels, err := rfc1035label.FromBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, name := range labels.Labels {
		size += len(name)
	}
	if size < 20*len(b) {
		t.Errorf("%d bytes make the library %d bytes of names", len(b), size)
	}
}
