package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/plainfile"
)

func TestEveryFaultOfTheFilesHasACure(t *testing.T) {
	for _, tt := range []struct {
		err  error
		exit int
	}{
		{distro.ErrEdited, fault.ExitFailure},
		{distro.ErrUnsafeBackup, fault.ExitFailure},
		{distro.ErrNewerManifest, fault.ExitFailure},
		{distro.ErrBadManifest, fault.ExitFailure},
		{distro.ErrBusy, fault.ExitFailure},
		{distro.ErrStale, fault.ExitFailure},
		{distro.ErrTooLarge, fault.ExitFailure},
		{distro.ErrLinkLoop, fault.ExitFailure},
		{&distro.LinkedError{Name: "/etc/a", Names: 2}, fault.ExitFailure},
		{&distro.ImmutableError{Name: "/etc/a", Flag: "i", Err: syscall.EPERM}, fault.ExitFailure},
		{&distro.RefusalError{Err: distro.ErrClaimed, Cure: "do this"}, fault.ExitFailure},
		{&distro.RefusalError{Err: fs.ErrPermission, Cure: "do this"}, fault.ExitNotPermitted},
		{&plainfile.KindError{Mode: fs.ModeNamedPipe}, fault.ExitFailure},
		{syscall.EROFS, fault.ExitFailure},
		{syscall.ENOSPC, fault.ExitFailure},
		{syscall.EDQUOT, fault.ExitFailure},
		{syscall.EACCES, fault.ExitNotPermitted},
		{syscall.EPERM, fault.ExitNotPermitted},
		{syscall.EIO, fault.ExitFailure},
		{fs.ErrNotExist, fault.ExitFailure},
	} {
		for _, err := range []error{tt.err, fmt.Errorf("change /etc/a: %w", tt.err), errors.Join(tt.err, nil)} {
			if got := filesFault(err); fault.Cure(got) == "" || fault.ExitCode(got) != tt.exit {
				t.Errorf("%v: exit code %d, want %d, cure %q", err, fault.ExitCode(got), tt.exit, fault.Cure(got))
			}
		}
	}
}
