// Package pool keeps the bindings of addresses that no hosts line reserves: which client has which
// address of a network's pool, until when, and which one the next client gets.
//
// A Table is pure: it is told the time, and it touches neither disk nor network. What it changes the
// caller makes durable (package leasestore) before any client is told:
//
//	p := table.Pool("guests")
//	b := p.Find(client)
//	if b == nil {
//		a, ok := p.Choose(client, hint, free)
//		…
//		b = table.Bind(now, p, a, owner, terms)
//	}
//	// … store leasestore.Put{Lease: &b.Lease}, then answer
//
// The choice is a hash of DUID and IAID, so that the same client finds the same address again, even on a
// server that has lost its store; where that one is taken, the next free one. Since hash and address
// have nothing in common with the MAC, addresses cannot be guessed from it (RFC 9915, section 13.1).
package pool
