package guest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/link"
)

// filesFor is a plan of files whose default NIC has the MAC.
func filesFor(mac string) *FilePlan {
	nic := virtio(2, "eth0", mac, "")
	return &FilePlan{NICs: []NICFiles{{NICPlan: NICPlan{NIC: nic, Role: RoleDefault}}}}
}

func TestFilesFollowAnotherDefaultNIC(t *testing.T) {
	play(t, "", func() *fakeMachine {
		m := two()
		m.stack = StackRA{Mode: RAStack, Reason: "networkd: it says so"}
		return m
	}, func(s *stage) {
		wish := filepath.Join(s.state, ReconfigureFile)
		// Early in the boot nothing spoke for eth1.
		s.note(filesFor(mac0))
		s.wait(3 * time.Second)
		if got := s.ra("eth0"); got != RAStack {
			s.Errorf("ra of eth0 is %q", got)
		}
		if _, err := os.Stat(wish); !errors.Is(err, fs.ErrNotExist) {
			s.Errorf("files are asked for although the choice is provisional: %v", err)
		}
		s.m.addRoute(ipv4Default(3))
		s.wait(time.Second)
		if b, err := os.ReadFile(wish); err != nil || string(b) != mac1+"\n" {
			s.Errorf("the wish for other files says %q, %v", b, err)
		}
		// The stack was told not to process Router Advertisements there.
		if got := s.ra("eth1"); got != RAAgent {
			s.Errorf("ra of eth1 is %q", got)
		}
		if why := s.status("eth1").Reason; !strings.Contains(why, "made for "+mac0+" as the default NIC; networkd: it says so") {
			s.Errorf("reason %q", why)
		}
		// It is asked once, also when nobody answers.
		if err := os.Remove(wish); err != nil {
			s.Fatal(err)
		}
		s.m.change(3, func(n *link.NIC) { n.MTU = 1400 })
		s.wait(time.Second)
		if _, err := os.Stat(wish); !errors.Is(err, fs.ErrNotExist) {
			s.Errorf("files are asked for twice: %v", err)
		}
		s.note(filesFor(mac1))
		s.wait(time.Second)
		if got := s.ra("eth1"); got != RAStack {
			s.Errorf("ra of eth1 is %q once the files are in force", got)
		}
	})
}

func TestANoteOfFilesHoldsInItsBootOnly(t *testing.T) {
	dir := t.TempDir()
	if got := defaultInForce(dir); got != "" {
		t.Errorf("without a note: %s", got)
	}
	if err := filesFor(mac1).NoteInForce(dir); err != nil {
		t.Fatal(err)
	}
	if got := defaultInForce(dir); got != mac1 {
		t.Errorf("noted %s", got)
	}
	defer func() {
		if err := errors.Join(forgetInForce(dir), forgetInForce(dir)); err != nil || defaultInForce(dir) != "" {
			t.Errorf("not forgotten: %v", err)
		}
	}()
	b, err := os.ReadFile(inForceFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "{", strings.Replace(string(b), `"boot":"`, `"boot":"x`, 1), strings.Replace(string(b), `"format":1`, `"format":2`, 1)} {
		if err := os.WriteFile(inForceFile(dir), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := defaultInForce(dir); got != "" {
			t.Errorf("%q counts as %s", bad, got)
		}
	}
}

// note makes a plan's files those in force, and tells the agent.
func (s *stage) note(p *FilePlan) {
	s.Helper()
	if err := errors.Join(p.NoteInForce(s.state), s.a.FilesChanged(s.Context())); err != nil {
		s.Fatal(err)
	}
}

// ra is who processes Router Advertisements on a NIC.
func (s *stage) ra(nic string) RAMode {
	s.Helper()
	for _, n := range s.a.plan.NICs {
		if n.NIC.Name == nic {
			return n.RA
		}
	}
	return ""
}
