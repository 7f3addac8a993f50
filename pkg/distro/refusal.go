package distro

import (
	"errors"
	"fmt"
)

// Reasons why a plan cannot be made; a RefusalError wraps one of them.
var (
	// ErrUnreadable means that a file says what cannot be understood well enough to edit it.
	ErrUnreadable = errors.New("cannot be edited safely")
	// ErrClaimed means that a NIC belongs to another NIC, or that several files claim it.
	ErrClaimed = errors.New("claimed by something else")
	// ErrUnsupported means that the stack cannot do what is wanted.
	ErrUnsupported = errors.New("not possible with this stack")
)

// A RefusalError says why nothing was planned for a NIC, where that is written, and what would help.
type RefusalError struct {
	NIC  string // empty if it is about the whole system
	File string // as seen from inside the root folder; empty if no file says it
	Line int    // from 1; 0 if the whole file is meant
	Err  error  // wraps ErrUnreadable, ErrClaimed or ErrUnsupported
	Cure string // in the imperative; never empty
}

// Error is the refusal without its cure, which whoever prints it adds.
func (r *RefusalError) Error() string {
	where := ""
	switch {
	case r.File != "" && r.Line > 0:
		where = fmt.Sprintf("%s:%d: ", r.File, r.Line)
	case r.File != "":
		where = r.File + ": "
	}
	if r.NIC != "" {
		where += r.NIC + ": "
	}
	return where + r.Err.Error()
}

// Unwrap makes errors.Is look into Err.
func (r *RefusalError) Unwrap() error { return r.Err }

// refuse makes a RefusalError; the message is put in front of the kind's own text.
func refuse(kind error, nic, file string, line int, cure, format string, args ...any) *RefusalError {
	return &RefusalError{NIC: nic, File: file, Line: line, Cure: cure, Err: fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), kind)}
}
