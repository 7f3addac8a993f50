package leasestore

import (
	"errors"
	"fmt"
)

// The reasons for which a store cannot be opened or a change is not taken.
var (
	// ErrBusy: as many changes wait for the disk as Options.MaxQueue allows; this Begin was not taken,
	// and no Result will come.
	ErrBusy = errors.New("too many changes wait for the disk")
	// ErrClosed: the store is closed or being closed.
	ErrClosed = errors.New("the lease store is closed")
	// ErrUncertain: the disk failed in a way that leaves open whether the changes are in the store; the
	// next start shows it. They never come after a change of the same prefix that was begun later.
	ErrUncertain = errors.New("whether the changes are in the store shows at the next start")
	// ErrLocked: another process has the store open.
	ErrLocked = errors.New("lease store in use by another process")
	// ErrCorrupt: the file is damaged or is no lease store. Nothing was changed in it.
	ErrCorrupt = errors.New("damaged lease store")
	// ErrNewer: a newer version wrote the file, in a format that this one does not know.
	ErrNewer = errors.New("lease store of a newer format")
	// ErrInvalid: a lease or a value that cannot be written; its user has made a mistake.
	ErrInvalid = errors.New("cannot be stored")
)

// A Fault is an error that a person can mend: Cure says how, in the imperative.
type Fault struct { //nolint:errname // the house's word for an error with its cure
	Err  error
	Cure string
}

// Error is the text of the error alone; whoever prints it adds the cure.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap makes errors.Is and errors.As look into Err.
func (f *Fault) Unwrap() error { return f.Err }

// damaged is the Fault of a file that cannot be read, with what is wrong in it.
func damaged(path string, what error) *Fault {
	return &Fault{
		Err: fmt.Errorf("%s: %w: %w", path, ErrCorrupt, what),
		Cure: fmt.Sprintf("restore %s from a backup; or rename it (keep it) and start: what `hosts add` added and "+
			"what the pools have given out is forgotten, so add those hosts again and let the pools start at other addresses "+
			"until the longest valid lifetime has passed", path),
	}
}
