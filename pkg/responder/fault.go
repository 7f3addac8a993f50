package responder

import "errors"

// Exit codes of v6responder (decision 15 of the design).
const (
	ExitDone         = 0 // what was asked for is done
	ExitFailure      = 1 // any failure that has no code of its own
	ExitUsage        = 2 // wrong usage, or a configuration that cannot be used
	ExitNotPermitted = 6 // the kernel does not let this user do it
)

// A Fault is an error that a person can mend: Cure says how, in the imperative, and Exit is the exit
// code of a command that ends with it.
type Fault struct { //nolint:errname // it is what a person meets, and carries more than an error
	Err  error
	Cure string // "" when nothing is known that would help
	Exit int    // ExitFailure and so on; 0 counts as ExitFailure
}

// Error is the text of the error alone; whoever prints it adds the cure.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap makes errors.Is and errors.As look into Err.
func (f *Fault) Unwrap() error { return f.Err }

// ExitCode is the exit code that err asks for: ExitDone for nil, the code of the first Fault in its
// chain, else ExitFailure.
func ExitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	if f := (*Fault)(nil); errors.As(err, &f) && f.Exit != 0 {
		return f.Exit
	}
	return ExitFailure
}
