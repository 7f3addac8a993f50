package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
)

func TestParseDUID(t *testing.T) {
	llt := "00:01:00:01:2e:5a:0b:1c:52:54:00:aa:bb:cc"
	for _, tt := range []struct{ name, text, want string }{
		{"C-11.4-01 dnsmasq, Kea, networkd", "00:03:00:01:06:a0:f0:00:00:38", guest.String()},
		{"upper case", "00:03:00:01:06:A0:F0:00:00:38", guest.String()},
		{"dhclient's lease file, single digits", "0:3:0:1:6:a0:f0:0:0:38", guest.String()},
		{"Windows, dashes", "00-03-00-01-06-A0-F0-00-00-38", guest.String()},
		{"dashes and single digits", "0-3-0-1-6-A0-F0-0-0-38", guest.String()},
		{"blanks", "00 03 00 01 06 a0 f0 00 00 38", guest.String()},
		{"plain hex", "0003000106a0f0000038", guest.String()},
		{"plain hex with 0x", "0x0003000106A0F0000038", guest.String()},
		{"dnsmasq's host line", "id:00:03:00:01:06:a0:f0:00:00:38", guest.String()},
		{"dhclient's default-duid", `"\000\003\000\001\006\240\360\000\0008"`, guest.String()},
		{"dhclient's default-duid with quote and backslash", `"\000\003\000\001\"\\\360\000\0008"`, "00:03:00:01:22:5c:f0:00:00:38"},
		{"around it blanks and a line end", "  0003000106a0f0000038\n", guest.String()},
		{"a MAC", "06:a0:f0:00:00:38", guest.String()},
		{"a MAC in single digits", "6:a0:f0:0:0:38", guest.String()},
		{"a MAC with dashes", "06-A0-F0-00-00-38", guest.String()},
		{"a MAC in plain hex", "06a0f0000038", guest.String()},
		{"a MAC as Cisco writes it", "06a0.f000.0038", guest.String()},
		{"a DUID-LLT", llt, llt},
		{"C-11.3-01 a DUID-EN", "00:02:00:00:ab:11:f9:2a:c2:77:2b:ee:b0:d7", "00:02:00:00:ab:11:f9:2a:c2:77:2b:ee:b0:d7"},
		{"a DUID-UUID", "0004" + strings.Repeat("ab", 16), "00:04" + strings.Repeat(":ab", 16)},
		{"C-11-04 a type that nobody knows", "ff:ff:01", "ff:ff:01"},
		{"six bytes with 0x are no MAC", "0x0003ffff0102", "0x0003ffff0102"},
		{"the longest", strings.Repeat("ab", MaxDUID), strings.TrimPrefix(strings.Repeat(":ab", MaxDUID), ":")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseDUID(tt.text)
			if err != nil || got.String() != tt.want {
				t.Fatalf("got %s, %v, want %s", got, err, tt.want)
			}
			if again, err := ParseDUID(got.String()); err != nil || again != got {
				t.Errorf("what String writes is read as %s, %v", again, err)
			}
		})
	}
}

func TestParseDUIDRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, says string }{
		{"nothing", " ", "empty"},
		{"a prefix only", "id:", "empty"},
		{"two bytes", "00:03", "2 bytes"},
		{"131 bytes", strings.Repeat("ab", 131), "131 bytes"},
		{"131 groups", strings.Repeat("ab:", 130) + "ab", "131 bytes"},
		{"an odd number of digits", "00030001f", "9 hex digits"},
		{"no hex", "vm-name", `"vm"`},
		{"no hex at all", "eth0", "neither hex digits"},
		{"three digits in a group", "000:3:0:1", `"000"`},
		{"an empty group", "00:03::01", `""`},
		{"mixed separators", "00:03-00:01", `"03-00"`},
		{"a sign", "+1:2:3", `"+1"`},
		{"an EUI-64 with dots", "06a0.f0ff.fe00.0038", "06a0.f000.0038"},
		{"an IPv4 address", "192.0.2.1", "06a0.f000.0038"},
		{"a bad escape", `"\00"`, "octal"},
		{"an escape that is no byte", `"\777\001\002"`, "octal"},
		{"dnsmasq's wildcard", "id:*", "neither hex digits"},
		{"a very long line", strings.Repeat("z", 100000), "neither hex digits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseDUID(tt.text)
			if got != "" || !errors.Is(err, ErrDUIDSyntax) {
				t.Fatalf("got %s, %v", got, err)
			}
			if s := err.Error(); !strings.Contains(s, tt.says) || !strings.Contains(s, duidCure) || len(s) > 400 {
				t.Errorf("%d bytes: %s", len(s), s)
			}
		})
	}
}

func TestLinkLayerDUID(t *testing.T) {
	for _, tt := range []struct {
		name string
		mac  net.HardwareAddr
		want string
	}{
		{"C-11.4-01 Ethernet", guestMAC, "00:03:00:01:06:a0:f0:00:00:38"},
		{"C-11.4-01 InfiniBand", make(net.HardwareAddr, 20), "00:03:00:20" + strings.Repeat(":00", 20)},
		{"EUI-64", make(net.HardwareAddr, 8), "00:03:00:1b" + strings.Repeat(":00", 8)},
		{"none", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := LinkLayerDUID(tt.mac).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestMACOfDUID(t *testing.T) {
	for _, tt := range []struct{ name, duid, ll, llt string }{
		{"a DUID-LL", "00:03:00:01:06:a0:f0:00:00:38", "06:a0:f0:00:00:38", ""},
		{"S-11-02 a DUID-LLT's is no identity", "00:01:00:01:2e:5a:0b:1c:06:a0:f0:00:00:38", "", "06:a0:f0:00:00:38"},
		{"S-6939-05 another hardware type", "00:03:00:06:06:a0:f0:00:00:38", "", ""},
		{"8 bytes of address", "00:03:00:01:06:a0:f0:00:00:38:00:00", "", ""},
		{"a DUID-UUID", "00:04" + strings.Repeat(":ab", 16), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := ParseDUID(tt.duid)
			if err != nil {
				t.Fatal(err)
			}
			ll, isLL := d.MAC()
			llt, isLLT := d.LLTMAC()
			if ll.String() != tt.ll || isLL != (tt.ll != "") || llt.String() != tt.llt || isLLT != (tt.llt != "") {
				t.Errorf("MAC %s %v, LLTMAC %s %v", ll, isLL, llt, isLLT)
			}
		})
	}
}

func TestDUIDAsText(t *testing.T) {
	type file struct{ Client, None DUID }
	b, err := json.Marshal(file{Client: guest})
	if want := `{"Client":"00:03:00:01:06:a0:f0:00:00:38","None":""}`; err != nil || string(b) != want {
		t.Fatalf("%s, %v", b, err)
	}
	var back file
	if err := json.Unmarshal(b, &back); err != nil || back != (file{Client: guest}) {
		t.Errorf("read back as %v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"Client":"vm"}`), &back); !errors.Is(err, ErrDUIDSyntax) {
		t.Errorf("a bad one: %v", err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("bound", "client", guest)
	if !strings.Contains(log.String(), "client=00:03:00:01:06:a0:f0:00:00:38") {
		t.Error(log.String())
	}
}

// TestIAIDIsDhclients reads off what ISC dhclient puts on the wire.
func TestIAIDIsDhclients(t *testing.T) {
	seen := 0
	for name, b := range packets(t) {
		m, _, err := DecodeRelayed(b)
		mac, isLL := m.ClientID.MAC()
		if err != nil || !strings.HasPrefix(name, "dhclient-") || !isLL || len(m.IANAs) == 0 {
			continue
		}
		seen++
		if got := IAIDFromMAC(mac); got != m.IANAs[0].ID {
			t.Errorf("%s: dhclient's IAID is %s, ours %s", name, m.IANAs[0].ID, got)
		}
	}
	if seen == 0 {
		t.Error("no packet of dhclient's in testdata")
	}
}

func TestIAID(t *testing.T) {
	for _, tt := range []struct {
		name string
		mac  net.HardwareAddr
		want string
	}{
		{"dhclient's: the last four bytes of the MAC as they stand", guestMAC, "f0000038"},
		{"an InfiniBand address", append(make(net.HardwareAddr, 16), 1, 2, 3, 4), "01020304"},
		{"a short address", net.HardwareAddr{1, 2}, "00000102"},
		{"no address", nil, "00000000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := fmt.Sprint(IAIDFromMAC(tt.mac)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
