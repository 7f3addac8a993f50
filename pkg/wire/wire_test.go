package wire

import (
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
)

// The parties of most tests.
var (
	guestMAC  = net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0, 0x38}
	guest     = LinkLayerDUID(guestMAC)
	server    = LinkLayerDUID(net.HardwareAddr{0x52, 0x54, 0, 0xaa, 0xbb, 0xcc})
	guestAddr = netip.MustParseAddr("2001:db8::38")
)

const (
	guestHex  = "0001 000a 00030001 06a0f0000038 "
	serverHex = "0002 000a 00030001 525400aabbcc "
	addrHex   = "20010db8000000000000000000000038 "
)

// compare makes cmp look into what netip hides.
var compare = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

var comment = regexp.MustCompile(`#.*`)

// packet makes bytes of hex digits with blanks, line ends and comments.
func packet(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(comment.ReplaceAllString(text, "")), ""))
	if err != nil {
		t.Fatalf("hex of a test: %v", err)
	}
	return b
}

// packets returns the UDP payloads of testdata by file name: those written by hand, in hex, and the
// captures.
func packets(t testing.TB) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for _, pattern := range []string{"testdata/packets/*.hex", "testdata/captures/*.bin"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, isHex := strings.CutSuffix(filepath.Base(file), ".hex")
			if isHex {
				b = packet(t, string(b))
			}
			all[name] = b
		}
	}
	if len(all) == 0 {
		t.Fatal("no packets in testdata")
	}
	return all
}

func TestPackets(t *testing.T) {
	for name, b := range packets(t) {
		t.Run(name, func(t *testing.T) {
			m, relays, err := DecodeRelayed(b)
			if err != nil {
				t.Fatal(err)
			}
			if flawed := strings.HasPrefix(name, "flawed-"); flawed != (len(m.Flaws) > 0) {
				t.Errorf("flaws %v, a flawed packet: %v", m.Flaws, flawed)
			}
			if !IsServerMessage(m.Type) {
				if err := m.CheckForServer(); err != nil {
					t.Error(err)
				}
			} else if err := m.CheckForClient(); err != nil {
				t.Error(err)
			}
			if (len(relays) > 0) != (dhcpv6.MessageType(b[0]) == dhcpv6.MessageTypeRelayForward) {
				t.Errorf("%d relays", len(relays))
			}
		})
	}
}

func mustDecode(t testing.TB, b []byte) *Message {
	t.Helper()
	m, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustEncode(t testing.TB, m *Message) []byte {
	t.Helper()
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
