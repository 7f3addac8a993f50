package fault_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/v6guest/v6guest/pkg/fault"
)

// curable is an error that knows its own cure, as those of package client do.
type curable struct{ error }

func (curable) Cure() string { return "its own" }

func TestExitCodeAndCure(t *testing.T) {
	refused := fault.New(fault.ExitRefused, "ask again", "eth0: %w", fs.ErrPermission)
	for _, tt := range []struct {
		name string
		err  error
		exit int
		cure string
	}{
		{"nothing went wrong", nil, fault.ExitDone, ""},
		{"an ordinary error", fs.ErrNotExist, fault.ExitFailure, ""},
		{"a fault", refused, fault.ExitRefused, "ask again"},
		{"a fault inside", fmt.Errorf("lease: %w", refused), fault.ExitRefused, "ask again"},
		{"among others", errors.Join(fs.ErrNotExist, refused), fault.ExitRefused, "ask again"},
		{"without a code", &fault.Fault{Err: fs.ErrExist}, fault.ExitFailure, ""},
		{"an error that knows its cure", fmt.Errorf("x: %w", curable{fs.ErrExist}), fault.ExitFailure, "its own"},
		{"a fault without a cure around one", &fault.Fault{Err: curable{fs.ErrExist}, Exit: fault.ExitInUse}, fault.ExitInUse, "its own"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := fault.ExitCode(tt.err); got != tt.exit {
				t.Errorf("exit code %d, want %d", got, tt.exit)
			}
			if got := fault.Cure(tt.err); got != tt.cure {
				t.Errorf("cure %q, want %q", got, tt.cure)
			}
		})
	}
	if refused.Error() != "eth0: permission denied" || !errors.Is(refused, fs.ErrPermission) {
		t.Errorf("%v", refused)
	}
}
