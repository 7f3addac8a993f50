package wire

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

func TestString(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    Message
		want string
	}{
		{
			"a Solicit",
			Message{
				Type: dhcpv6.MessageTypeSolicit, TransactionID: xid, ClientID: guest, RapidCommit: true,
				IANAs:     []IANA{{ID: 0x38, Addresses: []Address{{Addr: guestAddr, Preferred: Infinite, Valid: Infinite}}}},
				Requested: []dhcpv6.OptionCode{82, 23, 24},
			},
			"Solicit xid 0x1a2b3c elapsed 0s client 00:03:00:01:06:a0:f0:00:00:38 IA_NA 0x00000038 " +
				"[2001:db8::38 pref inf valid inf] request 82,23,24 rapid-commit",
		},
		{
			"a Reply",
			Message{
				Type: dhcpv6.MessageTypeReply, TransactionID: xid, ServerID: server,
				Status: &Status{Code: iana.StatusUnspecFail, Text: "go \x1b[2J away\nnow"},
				IANAs: []IANA{{
					ID: 1, T1: time.Hour, T2: 2 * time.Hour, Status: &Status{Code: iana.StatusNoBinding},
					Addresses: []Address{{Addr: guestAddr, Status: &Status{Code: 500}}},
				}},
				IAPDs: []IAPD{{ID: 2, Prefixes: []Prefix{{Prefix: netip.MustParsePrefix("2001:db8::/56"), Valid: time.Hour}}}},
				DNS:   []netip.Addr{guestAddr, guestAddr}, Search: []string{"a.b"}, NTP: []netip.Addr{guestAddr},
				SOLMaxRT: time.Minute, INFMaxRT: time.Minute, InformationRefresh: new(Infinite),
				FQDN: &FQDN{Flags: 1, Name: "vm1"}, Preference: 255, ReconfigureAccept: true,
				ReconfigureMessage: dhcpv6.MessageTypeRenew, Auth: &Auth{Protocol: 3, Info: []byte("key")},
				Others: []Option{{Code: 17, Data: []byte("\x1b")}}, Flaws: []Flaw{{Code: 24, Reason: "empty name"}},
			},
			"Reply xid 0x1a2b3c server 00:03:00:01:52:54:00:aa:bb:cc " +
				"IA_NA 0x00000001 T1 1h0m0s T2 2h0m0s [2001:db8::38 pref 0s valid 0s status 500] NoBinding " +
				"IA_PD 0x00000002 [2001:db8::/56 pref 0s valid 1h0m0s] reconfigure-accept reconfigure-message Renew " +
				`preference 255 UnspecFail "go \x1b[2J away\nnow" auth protocol 3 dns 2001:db8::38,2001:db8::38 ` +
				`search "a.b" ntp 2001:db8::38 sol-max-rt 1m0s inf-max-rt 1m0s refresh inf fqdn "vm1" flags 1 ` +
				"option 17 (1 bytes) left out 24 (empty name)",
		},
		{"a type without name", Message{Type: 200}, "message type 200 xid 0x000000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.m.String(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestStringIsBounded(t *testing.T) {
	m := Message{
		Type: dhcpv6.MessageTypeReply, Status: &Status{Text: strings.Repeat("\u202e", 85)},
		IANAs: make([]IANA, 3000), IAPDs: make([]IAPD, 3000), DNS: make([]netip.Addr, 4000),
		Requested: make([]dhcpv6.OptionCode, 32000), Others: make([]Option, 16000),
	}
	for _, change := range []func(){func() { m.IANAs = nil }, func() { m.IAPDs = nil }, func() { m.Requested = nil }, func() { m.DNS = nil }, func() {}} {
		s := m.String()
		if len(s) > maxLine+1000 || !strings.HasSuffix(s, "...") {
			t.Errorf("%d bytes: %.100s", len(s), s)
		}
		for i := range len(s) {
			if s[i] < ' ' || s[i] > '~' {
				t.Fatalf("byte %#x in %s", s[i], s)
			}
		}
		change()
	}
}
