// Package fault is the errors that a person can mend, with what would help, and the exit codes of both
// programs.
package fault

import (
	"errors"
	"fmt"
)

// Exit codes of commands (decision 15 of the design).
const (
	ExitDone         = 0 // what was asked for is done
	ExitFailure      = 1 // any failure that has no code of its own
	ExitUsage        = 2 // wrong usage, or a configuration that cannot be used
	ExitNoServer     = 3 // no DHCPv6 server answered
	ExitRefused      = 4 // a server answered and refused
	ExitInUse        = 5 // the address is in use by another node and was declined
	ExitNotPermitted = 6 // the kernel does not let this user do it
)

// Meanings says of each exit code what it means, for the manual.
func Meanings() map[int]string {
	return map[int]string{
		ExitDone:         "What was asked for is done.",
		ExitFailure:      "Any failure that has no code of its own.",
		ExitUsage:        "Wrong usage, or a configuration that cannot be used.",
		ExitNoServer:     "No DHCPv6 server answered.",
		ExitRefused:      "A server answered and refused; its status code is shown.",
		ExitInUse:        "The address is in use by another node and was declined.",
		ExitNotPermitted: "The kernel does not let this user do it.",
	}
}

// A Fault is an error that a person can mend: Cure says how, in the imperative, and Exit is the exit
// code of a command that ends with it.
type Fault struct { //nolint:errname // it is what a person meets, and carries more than an error
	Err  error
	Cure string // "" when nothing is known that would help; it may have several lines
	Exit int    // ExitFailure and so on; 0 counts as ExitFailure
}

// Error is the text of the error alone; whoever prints it adds the cure.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap makes errors.Is and errors.As look into Err.
func (f *Fault) Unwrap() error { return f.Err }

// New makes a Fault; the message is formatted as by fmt.Errorf.
func New(exit int, cure, format string, args ...any) *Fault {
	return &Fault{Err: fmt.Errorf(format, args...), Cure: cure, Exit: exit}
}

// As is the first Fault in err's chain.
func As(err error) (*Fault, bool) { return errors.AsType[*Fault](err) }

// ExitCode is the exit code that err asks for: ExitDone for nil, the code of the first Fault in its
// chain, else ExitFailure.
func ExitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	if f, ok := As(err); ok && f.Exit != 0 {
		return f.Exit
	}
	return ExitFailure
}

// Cure is what would help against err: the cure of the first Fault in its chain, or what the first
// error with a method Cure() string says; "" where neither is known.
func Cure(err error) string {
	if f, ok := As(err); ok && f.Cure != "" {
		return f.Cure
	}
	if c, ok := errors.AsType[interface {
		error
		Cure() string
	}](err); ok {
		return c.Cure()
	}
	return ""
}
