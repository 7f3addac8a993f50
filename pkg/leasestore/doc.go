// Package leasestore keeps the bindings of pool addresses and delegated prefixes so that after kill -9
// or a loss of power no address is given to two guests (decision 10 of the design), and with them a few
// small values: the server's DUID, hosts that were added through the control socket.
//
// It is a journal in one bbolt file: a change is appended under the next sequence number, the newest
// record of a prefix holds, and old segments are rewritten and dropped. So a change costs the same in a
// store of a thousand leases and of a million. The index by client and by expiry is the user's: a server
// engine that is pure has it anyway. The store is a seam of events, begin and done:
//
//	store, err := leasestore.Open(leasestore.Options{
//		Path: path, BootID: bootID, Clock: clock.Boottime{},
//		Load: func(l *leasestore.Lease) { … },         // each lease once, before Open returns
//		Done: func(r []leasestore.Result) { … },       // later, from the store's own goroutine
//	})
//	err = store.Begin(7, leasestore.Put{Lease: l}) // queued; ErrBusy: not taken
//	// … Done is told {ID: 7, Seq: 4711, Err: nil}: now the Reply may be sent
//
// # What is durable when
//
// A change is on disk (written and flushed by fdatasync) when Done has its Result with Err nil, or when
// Commit has returned nil, and not before. The changes of one Begin are there all or none. A Result with
// an error promises nothing: the changes are not in the store, unless the error wraps ErrUncertain, when
// they may show up at the next start. What was begun when the process died may be there or not. Results
// come in the order of their Begins, and a change of one Begin is never durable before one of an earlier.
//
// # Time
//
// Lifetimes count on CLOCK_BOOTTIME, and each lease carries the boot that its moment belongs to. After a
// reboot the time that has passed is taken for the least that it can have been: how long the earlier
// boots are known to have run on, and this one. The time between, which only the wall clock knows, does
// not count, so that no step of it frees an address too early; a lease is held longer by the time that
// the machine was off. The wall clock's moment is kept beside it, for readers.
package leasestore
