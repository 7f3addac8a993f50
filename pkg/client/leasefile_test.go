package client

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
)

var (
	testNIC  = link.Key{MAC: net.HardwareAddr{6, 0xa0, 0xf0, 0, 0, 0x38}}
	testWall = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
)

func sampleLease(t testing.TB) *Lease {
	t.Helper()
	s := newSim(t, 1)
	srv := s.server("A", addr38)
	srv.rapid, srv.key = true, []byte("0123456789abcdef")
	s.up()
	s.after(5 * time.Second)
	if s.saved == nil {
		t.Fatal("nothing was saved")
	}
	return s.saved
}

func TestLeaseFileRoundTrip(t *testing.T) {
	dir, lease := t.TempDir(), sampleLease(t)
	boot := Boot{ID: "b1", Now: clock.Instant(time.Hour), Wall: testWall}
	for range 2 { // the second replaces the first
		if err := SaveLease(dir, testNIC, lease, boot); err != nil {
			t.Fatal(err)
		}
	}
	got, err := LoadLease(dir, testNIC, boot)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lease, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-saved +loaded)\n%s", diff)
	}
	path := LeasePath(dir, testNIC)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("%d files left behind", len(entries))
	}
	for range 2 {
		if err := ForgetLease(dir, testNIC); err != nil {
			t.Error(err)
		}
	}
	if _, err := LoadLease(dir, testNIC, boot); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after forgetting: %v", err)
	}
}

// A VLAN has the MAC of the NIC below it, and another lease.
func TestTheLeaseOfAVLANIsItsOwn(t *testing.T) {
	dir, lease := t.TempDir(), sampleLease(t)
	vlan, boot := link.Key{MAC: testNIC.MAC, VLAN: 5}, Boot{ID: "b1", Wall: testWall}
	if err := SaveLease(dir, vlan, lease, boot); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadLease(dir, testNIC, boot); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of the NIC below: %v", err)
	}
	if _, err := LoadLease(dir, vlan, boot); err != nil {
		t.Errorf("its own: %v", err)
	}
	if err := os.Rename(LeasePath(dir, vlan), LeasePath(dir, testNIC)); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadLease(dir, testNIC, boot); !errors.Is(err, ErrLeaseForeign) || !strings.Contains(err.Error(), "VLAN 5") {
		t.Errorf("under the name of the NIC below: %v", err)
	}
}

func TestLeaseAge(t *testing.T) {
	lease := sampleLease(t)
	lease.Received = clock.Instant(50 * time.Minute)
	saved := Boot{ID: "b1", Now: clock.Instant(time.Hour), Wall: testWall} // 10 min after reception
	minute := func(n int) clock.Instant { return clock.Instant(time.Duration(n) * time.Minute) }
	for name, tt := range map[string]struct {
		now     Boot
		want    clock.Instant
		unknown bool
	}{
		"same boot: boottime counts, whatever the wall clock says": {
			Boot{"b1", minute(70), testWall.AddDate(10, 0, 0)}, minute(50), false,
		},
		"another boot an hour later": {Boot{"b2", minute(1), testWall.Add(time.Hour)}, minute(-69), false},
		"a wall clock that starts in 1970: not later than this boot": {
			Boot{"b2", minute(1), time.Unix(0, 0)}, 0, true,
		},
		"a wall clock that stood still: at least as old as this boot": {
			Boot{"b2", minute(30), testWall}, 0, false,
		},
		"same boot, but a moment to come: a copy of another machine's state": {
			Boot{"b1", minute(20), testWall}, minute(20), true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := json.Marshal(encodeLease(testNIC, lease, saved))
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeLease(b, testNIC, tt.now)
			if err != nil {
				t.Fatal(err)
			}
			if got.Received != tt.want || got.AgeUnknown != tt.unknown {
				t.Errorf("received %s, unknown %v; want %s, %v", got.Received, got.AgeUnknown, tt.want, tt.unknown)
			}
		})
	}
}

func TestLeaseFileThatIsNotUsed(t *testing.T) {
	good, err := json.Marshal(encodeLease(testNIC, sampleLease(t), Boot{ID: "b1", Wall: testWall}))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		content string
		want    error
	}{
		"empty":          {"", ErrLeaseCorrupt},
		"cut off":        {string(good[:len(good)/2]), ErrLeaseCorrupt},
		"not JSON":       {"lease { }", ErrLeaseCorrupt},
		"no format":      {`{"mac":"06:a0:f0:00:00:38","reply":"AAAA"}`, ErrLeaseCorrupt},
		"no reply":       {`{"format":1,"mac":"06:a0:f0:00:00:38"}`, ErrLeaseCorrupt},
		"other types":    {`{"format":1,"mac":7}`, ErrLeaseCorrupt},
		"newer format":   {`{"format":2,"lease":[1,2]}`, ErrLeaseFormat},
		"of another NIC": {strings.Replace(string(good), "06:a0:f0:00:00:38", "06:a0:f0:00:00:39", 1), ErrLeaseForeign},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := LeasePath(dir, testNIC)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := LoadLease(dir, testNIC, Boot{ID: "b1"}); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// What stands in the place of the file holds nobody up, and is replaced at the next save.
func TestWhatIsNoLeaseFile(t *testing.T) {
	for name, tt := range map[string]struct {
		put  func(path string) error
		want error
	}{
		"FIFO":           {func(path string) error { return syscall.Mkfifo(path, 0o600) }, ErrLeaseCorrupt},
		"dangling link":  {func(path string) error { return os.Symlink("nowhere", path) }, fs.ErrNotExist},
		"link to itself": {func(path string) error { return os.Symlink(filepath.Base(path), path) }, syscall.ELOOP},
		"device":         {func(path string) error { return os.Symlink("/dev/zero", path) }, ErrLeaseCorrupt},
		"huge":           {func(path string) error { return os.WriteFile(path, make([]byte, 1<<20), 0o600) }, ErrLeaseCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			dir, boot := t.TempDir(), Boot{ID: "b1", Wall: testWall}
			path := LeasePath(dir, testNIC)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), tt.put(path)); err != nil {
				t.Fatal(err)
			}
			if _, err := LoadLease(dir, testNIC, boot); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if err := SaveLease(dir, testNIC, sampleLease(t), boot); err != nil {
				t.Fatal(err)
			}
			if _, err := LoadLease(dir, testNIC, boot); err != nil {
				t.Error(err)
			}
		})
	}
}

// Format 1 as it was released must be read for ever.
func TestLeaseFormat1(t *testing.T) {
	b, err := os.ReadFile("testdata/lease-format-1.json")
	if err != nil {
		t.Fatal(err)
	}
	l, err := decodeLease(b, testNIC, Boot{ID: "b1", Now: clock.Instant(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	s := newSim(t, 1)
	s.restart(l)
	if got := s.engine.binding.addresses(); len(got) != 1 || got[0] != ip(addr38) {
		t.Errorf("%v", got)
	}
}

func TestSavedReplyIsCheckedLikeALiveOne(t *testing.T) {
	lease := sampleLease(t)
	for name, edit := range map[string]func(*Lease, *Config){
		"not a message":        func(l *Lease, _ *Config) { l.Reply = []byte{7} },
		"not a Reply":          func(l *Lease, _ *Config) { l.Reply[0] = 2 },
		"of another DUID":      func(_ *Lease, c *Config) { c.DUID = "\x00\x03\x00\x01\x01\x01\x01\x01\x01\x01" },
		"address now refused":  func(_ *Lease, c *Config) { c.Refuse = func(netip.Addr) string { return "a router's" } },
		"C-18.2.12-07 too old": func(l *Lease, _ *Config) { l.Received = clock.Instant(-3 * time.Hour) },
		"of another IAID":      func(l *Lease, _ *Config) { l.IAID++ },
	} {
		t.Run(name, func(t *testing.T) {
			l := *lease
			l.Reply = append([]byte(nil), lease.Reply...)
			var edited func(*Config)
			s := newSim(t, 1, func(c *Config) { edited = func(c *Config) { edit(&l, c) }; edited(c) })
			s.restart(&l)
			s.do(Carrier{Up: true})
			if s.engine.binding != nil || s.last().Type != solicit || s.last().IANAs[0].ID != s.cfg.IAID {
				t.Errorf("used; sent %v", s.types(0))
			}
		})
	}
	t.Run("C-12-02 the stored IAID wins", func(t *testing.T) {
		s := newSim(t, 1, func(c *Config) { c.IAID = 7 })
		s.restart(lease)
		s.do(Carrier{Up: true})
		if s.last().Type != confirm || s.last().IANAs[0].ID != testIAID {
			t.Errorf("%s", s.last())
		}
	})
}

func FuzzLeaseFile(f *testing.F) {
	good, err := json.Marshal(encodeLease(testNIC, sampleLease(f), Boot{ID: "b1", Wall: testWall}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"format":1,"mac":"06:a0:f0:00:00:38","reply":"BwAAAA==","received_boottime_ns":-9223372036854775808}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := decodeLease(b, testNIC, Boot{ID: "b2", Now: 1, Wall: testWall})
		if err != nil {
			return
		}
		s := newSim(t, 1)
		s.restart(l)
		s.do(Carrier{Up: true})
		s.after(time.Minute)
	})
}
