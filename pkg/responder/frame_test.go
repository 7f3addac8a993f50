package responder

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/fault"
)

func testDatagram(payload string) datagram {
	return datagram{
		src: netip.MustParseAddrPort("[fe80::1]:547"), dst: netip.MustParseAddrPort("[fe80::2]:546"), payload: []byte(payload),
	}
}

func TestPacketRoundTrip(t *testing.T) {
	for _, payload := range []string{"", "a", "even", "odd", string(make([]byte, 1400))} {
		want := testDatagram(payload)
		b := appendPacket(nil, want)
		got, ok := parsePacket(append(b, "padding"...), false)
		if !ok || got.src != want.src || got.dst != want.dst || !bytes.Equal(got.payload, want.payload) {
			t.Errorf("%d bytes: %v %+v", len(payload), ok, got)
		}
	}
}

func TestChecksumIsThatOfAKnownPacket(t *testing.T) {
	b := appendPacket(nil, datagram{
		src: netip.MustParseAddrPort("[::1]:1"), dst: netip.MustParseAddrPort("[::1]:2"), payload: []byte{0, 1, 2, 3},
	})
	// By hand: addresses 1+1, length 12, protocol 17, ports 1+2, length 12, payload 0001+0203.
	sum := ^uint16(1 + 1 + 12 + 17 + 1 + 2 + 12 + 0x0001 + 0x0203)
	if got := uint16(b[46])<<8 | uint16(b[47]); got != sum {
		t.Errorf("checksum %04x, want %04x", got, sum)
	}
}

// TestChecksumIsTheSumOfTheWords: of every length, and where each addition carries.
func TestChecksumIsTheSumOfTheWords(t *testing.T) {
	src, dst := netip.MustParseAddr("fe80::ffff:ffff:ffff:ffff"), netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe")
	b := make([]byte, 100)
	for i := range b {
		b[i] = byte(0xff - i%3)
	}
	for n := range b {
		sum := uint32(n + protoUDP)
		for _, part := range [][]byte{src.AsSlice(), dst.AsSlice(), append(bytes.Clone(b[:n]), 0)} {
			for ; len(part) >= 2; part = part[2:] {
				sum += uint32(part[0])<<8 | uint32(part[1])
			}
		}
		for sum>>16 != 0 {
			sum = sum&0xffff + sum>>16
		}
		if got := checksum(slices.Concat(src.AsSlice(), dst.AsSlice()), b[:n]); got != ^uint16(sum) {
			t.Errorf("%d bytes: %04x, want %04x", n, got, ^uint16(sum))
		}
	}
}

func TestBadPacketsAreRefused(t *testing.T) {
	good := appendPacket(nil, testDatagram("hello"))
	change := func(at int, v byte) []byte {
		b := bytes.Clone(good)
		b[at] = v
		return b
	}
	for name, b := range map[string][]byte{
		"short":                             good[:47],
		"version 4":                         change(0, 4<<4),
		"not UDP":                           change(6, 58),
		"cut":                               good[:len(good)-1],
		"UDP length beyond the packet":      change(45, 99),
		"UDP length below its header":       change(45, 7),
		"a flipped bit in the payload":      change(50, 'x'),
		"a flipped bit in the source":       change(9, 0x81),
		"payload length below UDP's header": change(5, 7),
	} {
		if _, ok := parsePacket(b, false); ok {
			t.Errorf("%s: taken", name)
		}
	}
	none := change(46, 0)
	none[47] = 0
	if _, ok := parsePacket(none, false); ok {
		t.Error("no checksum: taken")
	}
	if _, ok := parsePacket(none, true); !ok {
		t.Error("no checksum, since the packet left no machine: refused")
	}
}

func FuzzPacket(f *testing.F) {
	f.Add(appendPacket(nil, testDatagram("hello")), false)
	f.Fuzz(func(t *testing.T, b []byte, checked bool) {
		if d, ok := parsePacket(b, checked); ok && len(d.payload) > len(b)-48 {
			t.Errorf("%d bytes of %d", len(d.payload), len(b))
		}
	})
}

func TestServerDUIDIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if d, err := loadDUID(dir); d != "" || err != nil {
		t.Fatalf("empty folder: %q, %v", d, err)
	}
	if err := saveDUID(dir, own); err != nil {
		t.Fatal(err)
	}
	if d, err := loadDUID(dir); d != own || err != nil {
		t.Errorf("S-11-05 loaded %q, %v", d, err)
	}
	for _, text := range []string{"", "{}", `{"format":1,"duid":"zz"}`, `{"format":2,"duid":"00:03:00:01:02:00:00:00:00:01"}`} {
		if err := os.WriteFile(filepath.Join(dir, duidFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if d, err := loadDUID(dir); err == nil {
			t.Errorf("%q: loaded %q", text, d)
		}
	}
}

func TestNetconfIsReadWithinItsBounds(t *testing.T) {
	message := []byte{
		36, 0, 0, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // header: 36 bytes, RTM_NEWNETCONF
		10, 0, 0, 0, // AF_INET6
		8, 0, 1, 0, 7, 0, 0, 0, // index 7
		8, 0, 2, 0, 1, 0, 0, 0, // forwards
	}
	want := []forwarding{{7, true}}
	if diff := cmp.Diff(want, parseNetconf(message), cmp.AllowUnexported(forwarding{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for n := range message {
		parseNetconf(message[:n])
	}
	message[20] = 200
	if got := parseNetconf(message); got != nil {
		t.Errorf("an attribute that runs over: %v", got)
	}
}

// TestWhatStandsInTheDUIDsPlaceIsNamed, with the cure, and waited for by nobody.
func TestWhatStandsInTheDUIDsPlaceIsNamed(t *testing.T) {
	for what, put := range map[string]func(name string) error{
		"a folder, not a regular file":      func(name string) error { return os.Mkdir(name, 0o700) },
		"a named pipe, not a regular file":  func(name string) error { return unix.Mkfifo(name, 0o600) },
		"too many levels of symbolic links": func(name string) error { return os.Symlink(duidFile, name) },
		"larger than such a file may be":    func(name string) error { return os.WriteFile(name, make([]byte, maxDUIDFile+1), 0o600) },
	} {
		dir := t.TempDir()
		name := filepath.Join(dir, duidFile)
		if err := put(name); err != nil {
			t.Fatal(err)
		}
		if _, err := loadDUID(dir); err == nil || !strings.Contains(err.Error(), name+": "+what) || fault.Cure(err) != duidCure {
			t.Errorf("%s: %v", what, err)
		}
	}
}
