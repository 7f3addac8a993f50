package leasestore

import (
	"fmt"
	"runtime/debug"
)

// A panicError is what bbolt, or the kernel beneath its memory map, panicked with: a page that is not
// what it must be, or one that cannot be read.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("bbolt: %v", e.value) }

// Unwrap gives the fault of a memory map (a runtime.Error).
func (e *panicError) Unwrap() error {
	err, _ := e.value.(error)
	return err
}

// guard calls f and turns its panic into an error, a fault in a mapped page included: bbolt reads the
// file through the page cache and panics where that is not well formed.
func guard(f func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p}
		}
	}()
	return f()
}
