package wire

import (
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

var xid = dhcpv6.TransactionID{0x1a, 0x2b, 0x3c}

// golden holds a message of each type between client and server as value and as bytes.
var golden = []struct {
	name  string
	value Message
	bytes string
}{
	{
		"Solicit",
		Message{
			Type: dhcpv6.MessageTypeSolicit, TransactionID: xid, ClientID: guest, RapidCommit: true,
			Elapsed: 12340 * time.Millisecond, Requested: []dhcpv6.OptionCode{82, 23, 24},
			IANAs: []IANA{{ID: 0xf0000038}}, FQDN: &FQDN{Flags: FQDNServerUpdates, Name: "vm1", Partial: true},
		},
		"01 1a2b3c " + guestHex + `0008 0002 04d2  000e 0000  0006 0006 0052 0017 0018
		0003 000c f0000038 00000000 00000000  0027 0005 01 03766d31`,
	},
	{
		"Advertise",
		Message{
			Type: dhcpv6.MessageTypeAdvertise, TransactionID: xid, ClientID: guest, ServerID: server, Preference: 255,
			IANAs: []IANA{{
				ID: 0xf0000038, T1: Infinite, T2: Infinite,
				Addresses: []Address{{Addr: guestAddr, Preferred: Infinite, Valid: Infinite}},
			}},
			DNS:      []netip.Addr{netip.MustParseAddr("2001:db8::53")},
			Search:   []string{"cloud.internal", "example.org"},
			SOLMaxRT: 2 * time.Hour,
		},
		"02 1a2b3c " + guestHex + serverHex + `0007 0001 ff
		0003 0028 f0000038 ffffffff ffffffff 0005 0018 ` + addrHex + `ffffffff ffffffff
		0017 0010 20010db8000000000000000000000053
		0018 001d 05636c6f756408696e7465726e616c00 076578616d706c65036f726700  0052 0004 00001c20`,
	},
	{
		"Request",
		Message{
			Type: dhcpv6.MessageTypeRequest, TransactionID: xid, ClientID: guest, ServerID: server, ReconfigureAccept: true,
			IANAs: []IANA{{ID: 0xf0000038, Addresses: []Address{{Addr: guestAddr}}}},
		},
		"03 1a2b3c " + guestHex + serverHex + "0008 0002 0000 0014 0000 0003 0028 f0000038 00000000 00000000 0005 0018 " +
			addrHex + "00000000 00000000",
	},
	{
		"Confirm",
		Message{
			Type: dhcpv6.MessageTypeConfirm, TransactionID: xid, ClientID: guest,
			IANAs: []IANA{{ID: 1, Addresses: []Address{{Addr: guestAddr}}}},
		},
		"04 1a2b3c " + guestHex + "0008 0002 0000 0003 0028 00000001 00000000 00000000 0005 0018 " + addrHex +
			"00000000 00000000",
	},
	{
		"Renew, elapsed at its end",
		Message{
			Type: dhcpv6.MessageTypeRenew, TransactionID: xid, ClientID: guest, ServerID: server,
			Elapsed: 655350 * time.Millisecond, IANAs: []IANA{{ID: 1}, {ID: 2}},
		},
		"05 1a2b3c " + guestHex + serverHex + "0008 0002 ffff " +
			"0003 000c 00000001 00000000 00000000 0003 000c 00000002 00000000 00000000",
	},
	{
		"Rebind with a delegated prefix",
		Message{
			Type: dhcpv6.MessageTypeRebind, TransactionID: xid, ClientID: guest,
			IAPDs: []IAPD{{ID: 7, Prefixes: []Prefix{{
				Prefix: netip.MustParsePrefix("2001:db8:100::/56"), Preferred: time.Hour, Valid: 2 * time.Hour,
			}}}},
		},
		"06 1a2b3c " + guestHex + `0008 0002 0000 0019 0029 00000007 00000000 00000000
		001a 0019 00000e10 00001c20 38 20010db8010000000000000000000000`,
	},
	{
		"Reply with a status at all three levels",
		Message{
			Type: dhcpv6.MessageTypeReply, TransactionID: xid, ClientID: guest, ServerID: server, RapidCommit: true,
			Status: &Status{Code: iana.StatusUnspecFail, Text: "no"},
			IANAs: []IANA{{
				ID: 1, T1: 1800 * time.Second, T2: 2880 * time.Second, Status: &Status{Code: iana.StatusNoBinding},
				Addresses: []Address{{
					Addr: guestAddr, Preferred: 0x80000000 * time.Second, Valid: 0xfffffffe * time.Second,
					Status: &Status{Code: iana.StatusNotOnLink},
				}},
			}},
			NTP: []netip.Addr{netip.MustParseAddr("2001:db8::123"), netip.MustParseAddr("2001:db8::124")},
		},
		"07 1a2b3c " + guestHex + serverHex + `000e 0000 000d 0004 0001 6e6f
		0003 0034 00000001 00000708 00000b40
		  0005 001e ` + addrHex + `80000000 fffffffe 000d 0002 0004
		  000d 0002 0003
		0038 0014 0001 0010 20010db8000000000000000000000123
		0038 0014 0001 0010 20010db8000000000000000000000124`,
	},
	{
		"Release",
		Message{
			Type: dhcpv6.MessageTypeRelease, TransactionID: xid, ClientID: guest, ServerID: server,
			IANAs: []IANA{{ID: 1, Addresses: []Address{{Addr: guestAddr}}}},
		},
		"08 1a2b3c " + guestHex + serverHex + "0008 0002 0000 0003 0028 00000001 00000000 00000000 0005 0018 " +
			addrHex + "00000000 00000000",
	},
	{
		"Decline with an unknown option",
		Message{
			Type: dhcpv6.MessageTypeDecline, TransactionID: xid, ClientID: guest, ServerID: server,
			Others: []Option{{Code: 65000, Data: []byte{1, 2, 3}}, {Code: 15, Data: []byte{0, 1, 'x'}}},
		},
		"09 1a2b3c " + guestHex + serverHex + "0008 0002 0000 fde8 0003 010203 000f 0003 000178",
	},
	{
		"Reconfigure",
		Message{
			Type: dhcpv6.MessageTypeReconfigure, TransactionID: dhcpv6.TransactionID{}, ClientID: guest, ServerID: server,
			ReconfigureMessage: dhcpv6.MessageTypeRenew,
			Auth: &Auth{
				Protocol: 3, Algorithm: 1, Replay: 0x0102030405060708,
				Info: []byte{2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
			},
		},
		"0a 000000 " + guestHex + serverHex + "0013 0001 05 000b 001c 03 01 00 0102030405060708 02000102030405060708090a0b0c0d0e0f",
	},
	{
		"Information-request",
		Message{
			Type: dhcpv6.MessageTypeInformationRequest, TransactionID: xid, Requested: []dhcpv6.OptionCode{23, 32, 83},
		},
		"0b 1a2b3c 0008 0002 0000 0006 0006 0017 0020 0053",
	},
	{
		"Reply to an Information-request",
		Message{
			Type: dhcpv6.MessageTypeReply, TransactionID: xid, ServerID: server,
			INFMaxRT: time.Minute, InformationRefresh: new(Infinite),
			FQDN: &FQDN{Flags: FQDNNoUpdate | FQDNOverride, Name: "vm1.example.com"},
		},
		"07 1a2b3c " + serverHex + `0053 0004 0000003c 0020 0004 ffffffff
		0027 0012 06 03766d31 076578616d706c65 03636f6d 00`,
	},
}

// TestGolden is C-7.3-01, C-8-01, C-10-01, C-21.1-01, S-8-01 and, for the options 8, 14, 19, 20, 23,
// 24, 39, 82 and 83, the golden bytes that C-4704.4.2-01, C-3646.4-01 and S-20-05 ask for.
func TestGolden(t *testing.T) {
	for _, tt := range golden {
		t.Run(tt.name, func(t *testing.T) {
			want := packet(t, tt.bytes)
			if diff := cmp.Diff(hex.EncodeToString(want), hex.EncodeToString(mustEncode(t, &tt.value))); diff != "" {
				t.Errorf("Encode (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(&tt.value, mustDecode(t, want), compare); diff != "" {
				t.Errorf("Decode (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodeNormalises(t *testing.T) {
	ia := func(d time.Duration) Message {
		return Message{Type: dhcpv6.MessageTypeReply, IANAs: []IANA{{T1: d}}}
	}
	for _, tt := range []struct {
		name  string
		value Message
		want  func(*Message) any
		is    any
	}{
		{
			"C-21.9-02 S-21.8-02 elapsed stops at 0xffff",
			Message{Type: dhcpv6.MessageTypeSolicit, Elapsed: 2 * time.Hour},
			func(m *Message) any { return m.Elapsed }, 655350 * time.Millisecond,
		},
		{
			"elapsed is rounded down",
			Message{Type: dhcpv6.MessageTypeSolicit, Elapsed: 19 * time.Millisecond},
			func(m *Message) any { return m.Elapsed }, 10 * time.Millisecond,
		},
		{
			"elapsed is not negative",
			Message{Type: dhcpv6.MessageTypeSolicit, Elapsed: -time.Second},
			func(m *Message) any { return m.Elapsed }, time.Duration(0),
		},
		{
			"lifetimes are rounded down", ia(1999 * time.Millisecond),
			func(m *Message) any { return m.IANAs[0].T1 }, time.Second,
		},
		{
			"C-7.7-02 S-7.7-01 Infinite stays infinite", ia(Infinite),
			func(m *Message) any { return m.IANAs[0].T1 }, Infinite,
		},
		{
			"S-7.7-02 just under Infinite is not infinite", ia(Infinite - 1),
			func(m *Message) any { return m.IANAs[0].T1 }, 0xfffffffe * time.Second,
		},
		{
			"S-7.7-02 longer than Infinite is not infinite", ia(Infinite + time.Hour),
			func(m *Message) any { return m.IANAs[0].T1 }, 0xfffffffe * time.Second,
		},
		{
			"C-7.7-01 no lifetime turns negative", ia(0x80000000 * time.Second),
			func(m *Message) any { return m.IANAs[0].T1 }, 0x80000000 * time.Second,
		},
		{
			"S-21.12-04 S-21.12-05 a status text is UTF-8 without closing zero",
			Message{Type: dhcpv6.MessageTypeReply, Status: &Status{Code: 1, Text: "a\xffb\x00\x00"}},
			func(m *Message) any { return m.Status.Text }, "a?b",
		},
		{
			"a final dot of a name means nothing",
			Message{Type: dhcpv6.MessageTypeReply, Search: []string{"example.org."}},
			func(m *Message) any { return m.Search },
			[]string{"example.org"},
		},
		{
			"C-4704.4.1-01 reserved bits of a client FQDN are 0",
			Message{Type: dhcpv6.MessageTypeSolicit, FQDN: &FQDN{Flags: 0xf9, Name: "a.b"}},
			func(m *Message) any { return *m.FQDN },
			FQDN{Flags: FQDNServerUpdates, Name: "a.b"},
		},
		{
			"C-4704.4.1-02 the client updates: no flag",
			Message{Type: dhcpv6.MessageTypeSolicit, FQDN: &FQDN{Name: "a.b"}},
			func(m *Message) any { return m.FQDN.Flags }, uint8(0),
		},
		{
			"C-4704.4.1-02 the server updates: S",
			Message{Type: dhcpv6.MessageTypeSolicit, FQDN: &FQDN{Flags: FQDNServerUpdates, Name: "a.b"}},
			func(m *Message) any { return m.FQDN.Flags }, FQDNServerUpdates,
		},
		{
			"C-4704.4.1-02 nobody updates: N without S",
			Message{Type: dhcpv6.MessageTypeSolicit, FQDN: &FQDN{Flags: FQDNNoUpdate | FQDNServerUpdates, Name: "a.b"}},
			func(m *Message) any { return m.FQDN.Flags }, FQDNNoUpdate,
		},
		{
			"S-21.22-03 bits behind the prefix length are 0",
			Message{Type: dhcpv6.MessageTypeReply, IAPDs: []IAPD{{Prefixes: []Prefix{{Prefix: netip.MustParsePrefix("2001:db8::1/32")}}}}},
			func(m *Message) any { return m.IAPDs[0].Prefixes[0].Prefix }, netip.MustParsePrefix("2001:db8::/32"),
		},
		{
			"S-8168-01 a prefix of length 0 is a hint",
			Message{Type: dhcpv6.MessageTypeSolicit, IAPDs: []IAPD{{Prefixes: []Prefix{{Prefix: netip.MustParsePrefix("::/0")}}}}},
			func(m *Message) any { return m.IAPDs[0].Prefixes[0].Prefix }, netip.MustParsePrefix("::/0"),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.want(mustDecode(t, mustEncode(t, &tt.value)))
			if diff := cmp.Diff(tt.is, got, compare); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestElapsedTimeIsInClientMessagesOnly: C-18.2.6-02, since an Information-request is one of them.
func TestElapsedTimeIsInClientMessagesOnly(t *testing.T) {
	for typ := dhcpv6.MessageTypeSolicit; typ <= dhcpv6.MessageTypeInformationRequest; typ++ {
		b := mustEncode(t, &Message{Type: typ, Elapsed: time.Second})
		if got := count(b[4:], dhcpv6.OptionElapsedTime) == 1; got != IsClientMessage(typ) {
			t.Errorf("%s: elapsed time written: %v", TypeName(typ), got)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, want := range map[string]bool{
		"vm1": true, "vm1.example.org": true, "vm1.example.org.": true, "_tcp.example": true, "1.2": true,
		"": false, ".": false, "a..b": false, "-f": false, "a-": false, "a b": false, "ä": false,
	} {
		if err := CheckName(name); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	long := make([]byte, 254)
	for i := range long {
		long[i] = 'a'
		if i%50 == 49 {
			long[i] = '.'
		}
	}
	reply := func(change func(*Message)) *Message {
		m := &Message{Type: dhcpv6.MessageTypeReply}
		change(m)
		return m
	}
	for _, tt := range []struct {
		name string
		m    *Message
	}{
		{"a DUID of 2 bytes", reply(func(m *Message) { m.ClientID = "ab" })},
		{"a DUID of 131 bytes", reply(func(m *Message) { m.ServerID = DUID(make([]byte, 131)) })},
		{"an IPv4 address", reply(func(m *Message) { m.IANAs = []IANA{{Addresses: []Address{{Addr: netip.MustParseAddr("192.0.2.1")}}}} })},
		{"no address", reply(func(m *Message) { m.IANAs = []IANA{{Addresses: []Address{{}}}} })},
		{"no prefix", reply(func(m *Message) { m.IAPDs = []IAPD{{Prefixes: []Prefix{{}}}} })},
		{"an IPv4 DNS server", reply(func(m *Message) { m.DNS = []netip.Addr{netip.MustParseAddr("192.0.2.1")} })},
		{"an IPv4 NTP server", reply(func(m *Message) { m.NTP = []netip.Addr{netip.MustParseAddr("192.0.2.1")} })},
		{"a label of 64 bytes", reply(func(m *Message) { m.Search = []string{string(long[:49]) + string(long[:20]) + ".org"} })},
		{"a name of 256 bytes", reply(func(m *Message) { m.Search = []string{string(long) + "b"} })},
		{"an empty label", reply(func(m *Message) { m.Search = []string{"a..b"} })},
		{"an empty name", reply(func(m *Message) { m.Search = []string{""} })},
		{"a name with a line end", reply(func(m *Message) { m.Search = []string{"a\nnameserver ::1"} })},
		{"a bad FQDN", reply(func(m *Message) { m.FQDN = &FQDN{Name: "vm 1"} })},
		{"a known option among the raw ones", reply(func(m *Message) { m.Others = []Option{{Code: 23}} })},
		{"an elapsed time among the raw ones", reply(func(m *Message) { m.Others = []Option{{Code: 8, Data: []byte{0, 0}}} })},
		{"an option over 65535 bytes", reply(func(m *Message) { m.Others = []Option{{Code: 17, Data: make([]byte, 65536)}} })},
		{"an IA over 65535 bytes", reply(func(m *Message) {
			m.IANAs = []IANA{{Addresses: make([]Address, 3000)}}
			for i := range m.IANAs[0].Addresses {
				m.IANAs[0].Addresses[i].Addr = guestAddr
			}
		})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if b, err := tt.m.Encode(); err == nil {
				t.Errorf("encoded as %x", b)
			}
		})
	}
}
