package wire

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

func TestDecodeRefuses(t *testing.T) {
	duid := func(code, n int) string { return fmt.Sprintf("%04x %04x %s", code, n, strings.Repeat("ab", n)) }
	other := "0001 000a 00030001 06a0f0000039"
	for _, tt := range []struct {
		name  string
		bytes string
		want  error
	}{
		{"C-8-02 S-8-02 nothing", "", ErrShort},
		{"C-8-02 S-8-02 3 bytes", "011a2b", ErrShort},
		{"C-16-03 S-16-05 type 0", "001a2b3c" + guestHex, ErrMessageType},
		{"C-16-03 S-16-05 type 14", "0e1a2b3c" + guestHex, ErrMessageType},
		{"C-16-03 S-16-05 type 35", "231a2b3c" + guestHex, ErrMessageType},
		{"C-9686.4.3-01 type 36", "241a2b3c" + guestHex, ErrMessageType},
		{"C-16-03 S-16-05 type 200", "c81a2b3c" + guestHex, ErrMessageType},
		{"C-16-03 S-16-05 type 255", "ff1a2b3c" + guestHex, ErrMessageType},
		{"C-16.13-01 a Relay-forward", "0c1a2b3c", ErrRelayed},
		{"C-16.13-01 a Relay-reply", "0d1a2b3c", ErrRelayed},
		{"C-11.1-01 a Server Identifier of 0 bytes", "071a2b3c" + duid(2, 0), ErrServerDUID},
		{"C-11.1-01 a Server Identifier of 2 bytes", "071a2b3c" + duid(2, 2), ErrServerDUID},
		{"C-11.1-01 a Server Identifier of 131 bytes", "071a2b3c" + duid(2, 131), ErrServerDUID},
		{"C-11.1-01 a Server Identifier of 3 bytes", "071a2b3c" + duid(2, 3), nil},
		{"C-11.1-01 a Server Identifier of 130 bytes", "071a2b3c" + duid(2, 130), nil},
		{"C-11-04 S-11-03 a DUID of unknown type", "071a2b3c 0001 0005 fffe000000 0002 0003 ffff12", nil},
		{"C-21-02 S-21-03 two Client Identifiers", "071a2b3c" + guestHex + other, ErrTwoIdentifiers},
		{"C-21-02 S-21-03 two Server Identifiers", "071a2b3c" + serverHex + "0002 0003 010203", ErrTwoIdentifiers},
		{"C-21-02 the same identifier twice", "071a2b3c" + serverHex + serverHex, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode(packet(t, tt.bytes))
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			var reason DiscardError
			if tt.want != nil && (!errors.As(err, &reason) || !errors.Is(reason, tt.want)) {
				t.Errorf("reason %q, want %q", reason, tt.want)
			}
		})
	}
}

// TestDecodeLeavesOut says of each malformed option that it is left out and that the rest counts: the
// DNS server behind it is read.
func TestDecodeLeavesOut(t *testing.T) {
	const dns = "0017 0010 20010db8000000000000000000000053"
	label := func(n int) string { return fmt.Sprintf("%02x%s", n, strings.Repeat("61", n)) }
	option := func(code int, data string) string {
		return fmt.Sprintf("%04x %04x %s", code, len(packet(t, data)), data)
	}
	for _, tt := range []struct {
		name string
		hex  string
		code dhcpv6.OptionCode
	}{
		{"S-11.1-02 a Client Identifier of 2 bytes", "0001 0002 abcd", 1},
		{"S-11.1-02 a Client Identifier of 131 bytes", option(1, strings.Repeat("ab", 131)), 1},
		{"C-21.4-01 an IA_NA of 11 bytes", "0003 000b 0000000100000000000000", 3},
		{"an IA_PD of 11 bytes", "0019 000b 0000000100000000000000", 25},
		{"an IA Address of 23 bytes", "0003 0027 000000010000000000000000 0005 0017" + strings.Repeat("00", 23), 5},
		{"an IA Prefix of 24 bytes", "0019 0028 000000010000000000000000 001a 0018" + strings.Repeat("00", 24), 26},
		{"an IA Prefix of length 129", "0019 0029 000000010000000000000000 001a 0019 0000000000000000 81" + strings.Repeat("00", 16), 26},
		{"C-21.1-02 an IA Address past its IA_NA", "0003 0028 000000010000000000000000 0005 0019" + strings.Repeat("00", 24), 3},
		{"C-21.1-02 a status past its IA Address", "0003 002e 000000010000000000000000 0005 001e" + strings.Repeat("00", 24) + "000d 0003 0000", 5},
		{"C-21.8-01 a Preference of 0 bytes", "0007 0000", 7},
		{"C-21.8-01 a Preference of 2 bytes", "0007 0002 ff00", 7},
		{"an Elapsed Time of 1 byte", "0008 0001 00", 8},
		{"an Authentication of 10 bytes", option(11, strings.Repeat("00", 10)), 11},
		{"C-21.13-01 a Status Code of 1 byte", "000d 0001 00", 13},
		{"S-21-04 a Rapid Commit with content", "000e 0001 00", 14},
		{"S-21-04 a Reconfigure Accept with content", "0014 0001 00", 20},
		{"S-21-04 a Reconfigure Message of 2 bytes", "0013 0002 0505", 19},
		{"C-3646.4-01 C-10-02 S-10-02 a search list with a pointer", "0018 0008 05636c6f7564 c004", 24},
		{"C-3646.4-01 a search list with a label of 64 bytes", option(24, label(64)+"00"), 24},
		{"C-3646.4-01 a search list without end", "0018 0006 05636c6f7564", 24},
		{"a search list with an empty name", "0018 0001 00", 24},
		{"a label past the end", "0018 0003 05636c", 24},
		{"S-10-02 a name of 256 bytes", option(24, strings.Repeat(label(63), 3)+label(62)+"0100"), 24},
		{"S-10-02 a name of 259 bytes", option(24, strings.Repeat(label(63), 4)+"016100"), 24},
		{"a name with a line end", "0018 0005 03610a62 00", 24},
		{"a name with a zero octet", "0018 0005 03610062 00", 24},
		{"a name with a dot inside a label", "0018 0005 03612e62 00", 24},
		{"a name with a blank", "0018 0005 03612062 00", 24},
		{"a name with a quote", "0018 0005 03612462 00", 24},
		{"a name that looks like a switch", "0018 0004 022d66 00", 24},
		{"a name of another script in raw UTF-8", "0018 0004 02c3a4 00", 24},
		{"C-5908.4-01 an NTP option without source", "0038 0000", 56},
		{"C-5908.4.3-01 an NTP address of 15 bytes", "0038 0013 0001 000f" + strings.Repeat("00", 15), 56},
		{"C-4075.4-01 SNTP servers of 17 bytes", option(31, strings.Repeat("00", 17)), 31},
		{"an Information Refresh Time of 3 bytes", "0020 0003 000000", 32},
		{"a SOL_MAX_RT of 2 bytes", "0052 0002 0e10", 82},
		{"an INF_MAX_RT of 5 bytes", "0053 0005 0000000e10", 83},
		{"S-10-02 a client FQDN with a pointer", "0027 0003 00 c001", 39},
		{"an empty client FQDN option", "0027 0000", 39},
		{"a client FQDN with two names", "0027 0007 00 016100 016200", 39},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := mustDecode(t, packet(t, "071a2b3c"+serverHex+tt.hex+dns))
			if len(m.Flaws) == 0 || m.Flaws[0].Code != tt.code || m.Flaws[0].Reason == "" {
				t.Errorf("flaws %v, want one of option %d", m.Flaws, tt.code)
			}
			if len(m.DNS) != 1 || m.ServerID != server {
				t.Errorf("the rest of the message was lost: %s", m)
			}
			for _, ia := range m.IANAs {
				if len(ia.Addresses) > 0 {
					t.Errorf("address %v out of a malformed option", ia.Addresses)
				}
			}
			m.Flaws, m.ServerID, m.DNS, m.IANAs, m.IAPDs = nil, "", nil, nil, nil
			if diff := cmp.Diff(&Message{Type: dhcpv6.MessageTypeReply, TransactionID: xid}, m, compare); diff != "" {
				t.Errorf("more than the flaw came of it (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeKeeps(t *testing.T) {
	dns := func(last string) string { return "0017 0010 20010db80000000000000000000000" + last }
	addr := netip.MustParseAddr("2001:db8::53")
	for _, tt := range []struct {
		name  string
		hex   string
		get   func(*Message) any
		want  any
		flaws int
	}{
		{"C-3646.3-01 a DNS option of 0 bytes gives none", "0017 0000", func(m *Message) any { return len(m.DNS) }, 0, 0},
		{
			"C-3646.3-01 a DNS option of 15 bytes gives none", "0017 000f" + strings.Repeat("00", 15),
			func(m *Message) any { return len(m.DNS) }, 0, 1,
		},
		{
			"C-3646.3-01 a DNS option of 33 bytes gives none", "0017 0021" + strings.Repeat("00", 33),
			func(m *Message) any { return len(m.DNS) }, 0, 1,
		},
		{
			"C-21-01 C-21-02 S-21-01 of two DNS options the first counts", dns("53") + dns("54"),
			func(m *Message) any { return m.DNS },
			[]netip.Addr{addr},
			1,
		},
		{
			"C-21-02 a malformed option does not stand in the way of a good one", "0017 0001 00" + dns("53"),
			func(m *Message) any { return m.DNS },
			[]netip.Addr{addr},
			1,
		},
		{
			"S-21.7-03 an ORO counts up to its last whole code", "0006 0005 0017 0017 00",
			func(m *Message) any { return m.Requested },
			[]dhcpv6.OptionCode{23, 23},
			1,
		},
		{"S-21.7-03 an ORO of 1 byte asks for nothing", "0006 0001 17", func(m *Message) any { return len(m.Requested) }, 0, 1},
		{
			"C-21-03 several IA_NAs with several addresses",
			strings.Repeat("0003 0044 00000001 00000000 00000000"+
				strings.Repeat("0005 0018"+addrHex+"00000064 000000c8", 2), 2),
			func(m *Message) any { return len(m.IANAs[0].Addresses) + len(m.IANAs[1].Addresses) }, 4, 0,
		},
		{
			"C-16-02 S-16-03 unknown options in message, IA and lease",
			"fde8 0002 0102 0003 0032 00000001 00000000 00000000 fde8 0000 0005 001e" + addrHex + "00000064 000000c8 fde8 0002 0102",
			func(m *Message) any { return m.IANAs },
			[]IANA{{ID: 1, Addresses: []Address{{Addr: guestAddr, Preferred: 100 * time.Second, Valid: 200 * time.Second}}}},
			0,
		},
		{
			"C-16-02 S-16-04 vendor options of unknown enterprises", "0011 0008 00001234 0001 0000 0010 0006 00001234 0000",
			func(m *Message) any { return len(m.Others) }, 2, 0,
		},
		{
			"stray bytes inside an IA do not spoil it", "0003 002a 00000001 00000000 00000000 0005 0018" + addrHex + "00000064 000000c8 0000",
			func(m *Message) any { return len(m.IANAs[0].Addresses) }, 1, 1,
		},
		{
			"C-21.1-02 one bad address does not spoil its neighbour",
			"0003 004a 00000001 00000000 00000000 0005 001e" + addrHex + "00000064 000000c8 000d 0003 0000" +
				"0005 0018" + addrHex + "00000064 000000c8",
			func(m *Message) any { return len(m.IANAs[0].Addresses) }, 1, 1,
		},
		{
			"C-21.4-06 the first status of an IA counts, and a cut one is none",
			"0003 001d 00000001 00000000 00000000 000d 0001 00 000d 0002 0003 000d 0002 0000",
			func(m *Message) any { return m.IANAs[0].Status }, &Status{Code: iana.StatusNoBinding}, 2,
		},
		{
			"C-21.6-05 S-21.6-05 an IA Address at top level is no lease", "0005 0018" + addrHex + "00000064 000000c8",
			func(m *Message) any { return len(m.IANAs) }, 0, 0,
		},
		{
			"C-21.5-02 S-21.5-01 an IA_TA is no IA_NA", "0004 0004 00000001 0003 000c 00000002 00000000 00000000",
			func(m *Message) any { return len(m.IANAs) }, 1, 0,
		},
		{
			"C-21.22-01 bits behind the prefix length are ignored",
			"0019 0029 00000007 00000000 00000000 001a 0019 00000000 00000000 20 20010db8ffffffffffffffffffffffff",
			func(m *Message) any { return m.IAPDs[0].Prefixes[0].Prefix }, netip.MustParsePrefix("2001:db8::/32"), 0,
		},
		{
			"C-4704.4.1-01 reserved FQDN bits are ignored", "0027 0005 f9 0161 0162",
			func(m *Message) any { return *m.FQDN },
			FQDN{Flags: FQDNServerUpdates, Name: "a.b", Partial: true},
			0,
		},
		{
			"C-4704.4-01 an FQDN in an IA_NA is none", "0003 0015 00000001 00000000 00000000 0027 0005 01 0161 0162",
			func(m *Message) any { return m.FQDN == nil && len(m.IANAs) == 1 }, true, 0,
		},
		{"C-4704.4.2-01 an FQDN without name", "0027 0001 00", func(m *Message) any { return *m.FQDN }, FQDN{}, 0},
		{"an FQDN of the root label only", "0027 0002 00 00", func(m *Message) any { return *m.FQDN }, FQDN{}, 0},
		{
			"C-5908.4-01 C-4075.4-01 three NTP options, one with a name, win over SNTP servers behind them",
			"0038 0014 0001 0010 20010db8000000000000000000000001 0038 0007 0003 0003 016100" +
				"0038 0028 0001 0010 20010db8000000000000000000000002 0001 0010 20010db8000000000000000000000009" +
				"001f 0010 20010db8000000000000000000000003",
			func(m *Message) any { return append(m.NTP, netip.AddrFrom16([16]byte{15: byte(m.Others[0].Code)})) },
			[]netip.Addr{
				netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"),
				netip.MustParseAddr("::38"),
			},
			0,
		},
		{
			"C-4075.4-01 an NTP option wins over SNTP servers before it",
			"001f 0010 20010db8000000000000000000000003 0038 0014 0001 0010 20010db8000000000000000000000001",
			func(m *Message) any { return m.NTP },
			[]netip.Addr{netip.MustParseAddr("2001:db8::1")},
			0,
		},
		{
			"C-4075.4-01 SNTP servers alone, in their order",
			"001f 0020 20010db8000000000000000000000003 20010db8000000000000000000000001",
			func(m *Message) any { return m.NTP },
			[]netip.Addr{netip.MustParseAddr("2001:db8::3"), netip.MustParseAddr("2001:db8::1")},
			0,
		},
		{
			"C-21.12-02 S-21.12-02 a Server Unicast option is passed over", "000c 0010" + addrHex,
			func(m *Message) any { return len(m.Others) }, 1, 0,
		},
		{
			"C-21.23-05 an infinite refresh time", "0020 0004 ffffffff",
			func(m *Message) any { return *m.InformationRefresh }, Infinite, 0,
		},
		{
			"C-21.24-01 a SOL_MAX_RT out of range is the client's to judge", "0052 0004 0000003b",
			func(m *Message) any { return m.SOLMaxRT }, 59 * time.Second, 0,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := mustDecode(t, packet(t, "071a2b3c"+serverHex+tt.hex))
			if diff := cmp.Diff(tt.want, tt.get(m), compare); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if len(m.Flaws) != tt.flaws {
				t.Errorf("flaws %v, want %d", m.Flaws, tt.flaws)
			}
		})
	}
}

func TestDUIDsComeBackByteForByte(t *testing.T) {
	for _, n := range []int{MinDUID, 14, 18, MaxDUID} {
		t.Run(fmt.Sprintf("C-11-01 S-11.1-01 %d bytes", n), func(t *testing.T) {
			id := make([]byte, n)
			for i := range id {
				id[i] = byte(0x12 + i)
			}
			m := Message{Type: dhcpv6.MessageTypeRequest, ClientID: DUID(id), ServerID: DUID(id)}
			got := mustDecode(t, mustEncode(t, &m))
			if got.ClientID != m.ClientID || got.ServerID != m.ServerID {
				t.Errorf("got %s and %s, want %s", got.ClientID, got.ServerID, m.ClientID)
			}
		})
	}
}

func TestSuccess(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    *Status
		want bool
	}{
		{"C-7.5-01 no status is success", nil, true},
		{"C-7.5-01 code 0", &Status{Text: "fine"}, true},
		{"a failure", &Status{Code: iana.StatusNoAddrsAvail}, false},
		{"C-18.2.10-04 an unknown code is a failure", &Status{Code: 500}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.s.Success(); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestStatusText(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"C-21.13-01 no text", "", ""},
		{"C-21.13-01 zeros at the end", "gone\x00\x00", "gone"},
		{"C-21.13-01 invalid UTF-8", "a\xff\xfeb", "a?b"},
		{"C-21.13-01 300 bytes", strings.Repeat("a", 300), strings.Repeat("a", MaxStatusText)},
		{"a rune across the limit", strings.Repeat("a", 254) + "ä", strings.Repeat("a", 254)},
		{"escapes are the printer's to quote", "\x1b[2J", "\x1b[2J"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := statusText([]byte(tt.text))
			if got != tt.want || !utf8.ValidString(got) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestTail is C-8-02, S-8-02 and the trailing bytes of some servers: what was whole counts, but a
// server acts on no message whose last option is cut off.
func TestTail(t *testing.T) {
	whole := packet(t, "031a2b3c"+guestHex+serverHex+"0003 000c 00000001 00000000 00000000")
	for n := 4; n < len(whole); n++ {
		m := mustDecode(t, whole[:n])
		if len(m.IANAs) > 0 {
			t.Errorf("%d bytes: an IA_NA of a part of it", n)
		}
		if m.Truncated && !errors.Is(m.CheckForServer(), ErrTruncated) {
			t.Errorf("%d bytes: a server would act upon it", n)
		}
	}
	for n := 1; n <= 3; n++ {
		m := mustDecode(t, append(bytes.Clone(whole), make([]byte, n)...))
		if m.Truncated || len(m.IANAs) != 1 || len(m.Flaws) != 1 || m.CheckForServer() != nil {
			t.Errorf("%d stray bytes spoil the message: %s", n, m)
		}
	}
}

func TestMessageKeepsNothingOfTheDatagram(t *testing.T) {
	for name, b := range packets(t) {
		m, relays, err := DecodeRelayed(b)
		if err != nil {
			t.Fatal(err)
		}
		want, wantRelays, _ := DecodeRelayed(b)
		for i := range b {
			b[i] ^= 0xff
		}
		if diff := cmp.Diff(want, m, compare) + cmp.Diff(wantRelays, relays, compare); diff != "" {
			t.Errorf("%s changed with the buffer:\n%s", name, diff)
		}
	}
}

func TestFlawsAreFew(t *testing.T) {
	m := mustDecode(t, packet(t, "071a2b3c"+strings.Repeat("00070000", 1000)))
	if len(m.Flaws) != MaxFlaws {
		t.Errorf("%d flaws, want %d", len(m.Flaws), MaxFlaws)
	}
}
