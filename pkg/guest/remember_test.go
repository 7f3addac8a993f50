package guest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWhatLiesInThePlaceOfAStateFileHoldsNobodyUp(t *testing.T) {
	for _, tt := range []struct {
		name string
		lay  func(name string) error
	}{
		{"a pipe", func(name string) error { return unix.Mkfifo(name, 0o600) }},
		{"a folder", func(name string) error { return os.Mkdir(name, 0o700) }},
		{"a link to a device", func(name string) error { return os.Symlink("/dev/zero", name) }},
		{"a large file", func(name string) error {
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				return err
			}
			return os.Truncate(name, maxSmall+1)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, "", two, func(s *stage) {
				s.stop()
				for _, name := range []string{memoryFile(s.state), filepath.Join(s.state, "nics.json")} {
					if err := os.RemoveAll(name); err != nil {
						s.Fatal(err)
					}
					if err := tt.lay(name); err != nil {
						s.Fatal(err)
					}
				}
				s.start(DefaultConfig())
				s.wait(3 * time.Second)
				s.wantState("eth0", "bound")
				if _, err := Remembered(s.state); err == nil {
					s.Error("something was remembered")
				}
			})
		})
	}
}
