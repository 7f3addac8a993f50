package guest

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
)

// released lays a state file as format 1 was released into a folder: as of this boot and network
// namespace, and with changes of its text.
func released(t *testing.T, dir, name string, changes ...string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/format-1", name))
	if err != nil {
		t.Fatal(err)
	}
	boot, err := clock.BootID(clock.BootIDFile)
	if err != nil {
		t.Fatal(err)
	}
	changes = append(changes, "3f0d3c1e-8f8a-4c55-9f6b-0f0e0d0c0b0a", boot, "4026531840", fmt.Sprint(networkNamespace()))
	if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.NewReplacer(changes...).Replace(string(b))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Every released format is read; a newer one counts as nothing, and costs no more than what it held
// (decision 11).
func TestStateFilesOfFormat1AreReadAndNewerOnesAreIgnored(t *testing.T) {
	nic := link.NIC{Index: 2, MAC: mac("06:a0:f0:00:00:38")}
	boot, err := clock.BootID(clock.BootIDFile)
	if err != nil {
		t.Fatal(err)
	}
	newer := []string{`"format":1`, `"format":2`}

	dir := t.TempDir()
	released(t, dir, "default-nic.json")
	if got, err := Remembered(dir); err != nil || got.String() != nic.MAC.String() {
		t.Errorf("default NIC: %s, %v", got, err)
	}
	released(t, dir, "default-nic.json", newer...)
	if got, err := Remembered(dir); got != nil || err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("default NIC of a newer format: %s, %v", got, err)
	}

	released(t, dir, "nics.json")
	if !loadSeen(dir, boot).has(nic) {
		t.Error("a NIC that was brought up is not remembered")
	}
	released(t, dir, "nics.json", newer...)
	if loadSeen(dir, boot).has(nic) {
		t.Error("NICs of a newer format count")
	}

	released(t, dir, "made.json")
	if !loadMade(dir, boot).has(netip.MustParseAddr(made0)) {
		t.Error("an address that was made is not remembered")
	}
	released(t, dir, "made.json", newer...)
	if loadMade(dir, boot).has(netip.MustParseAddr(made0)) {
		t.Error("made addresses of a newer format count")
	}

	released(t, dir, "link-locals.json")
	note, ok := newRunNote(dir, boot)
	if got := loadAdded(note, ok, dir).of(2); got.String() != ll0 {
		t.Errorf("link-local address that was added: %s", got)
	}
	released(t, dir, "link-locals.json", newer...)
	if got := loadAdded(note, ok, dir).of(2); got.IsValid() {
		t.Errorf("link-local address of a newer format: %s", got)
	}

	released(t, dir, "switches.json")
	want := []savedSwitch{{Index: 2, Switch: "accept_ra", Value: "1"}}
	if diff := cmp.Diff(want, loadSwitches(dir).state.Switches); diff != "" {
		t.Errorf("switches (-want +got):\n%s", diff)
	}
	released(t, dir, "switches.json", newer...)
	if got := loadSwitches(dir).state.Switches; len(got) > 0 {
		t.Errorf("switches of a newer format: %v", got)
	}
}

func TestWhatNICsWereSeenIsWrittenWhenItCanBe(t *testing.T) {
	boot, err := clock.BootID(clock.BootIDFile)
	if err != nil {
		t.Fatal(err)
	}
	nic := virtio(2, "eth0", mac0, "0000:00:03.0")
	dir := t.TempDir()
	s := loadSeen(dir, boot)
	s.file = filepath.Join(dir, "gone", "nics.json")
	if err := s.keep([]link.NIC{nic}); err == nil {
		t.Fatal("written where there is no folder")
	}
	s.file = filepath.Join(dir, "nics.json")
	if err := s.keep([]link.NIC{nic}); err != nil || !loadSeen(dir, boot).has(nic) {
		t.Errorf("not written when there is room again: %v", err)
	}
}
