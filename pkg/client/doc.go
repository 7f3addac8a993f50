// Package client is the guest's side of DHCPv6 (RFC 9915): an Engine that decides and a Runner that
// gives it a socket and a clock. It knows one NIC and one IA_NA; which NICs lease, and what becomes
// of an address, is its owner's business (the Host seam). Bytes are package wire's.
//
// The Engine is pure: what happened goes in, what must be done comes out, in order.
//
//	engine, err := client.NewEngine(client.Config{DUID: duid, IAID: iaid, Rand: client.NewRand()})
//	for _, action := range engine.Step(now, client.Start{Saved: lease}) { … }
//	engine.Deadline() // when it wants an Expired event if nothing else happens
//
// The Runner does this with a real socket, one goroutine for each NIC:
//
//	runner, err := client.NewRunner(client.RunnerConfig{Engine: engine, Conn: conn, Clock: clk, Host: host})
//	go runner.Run(ctx, lease)
//	runner.SetCarrier(true)
//	runner.SetLinkLocal(addr) // once its duplicate address detection is done
//	result, err := runner.Lease(ctx)
//
// # Where it departs from the standard, and what it chooses where the standard leaves a choice
//
//   - No usable address is dropped before its replacement is usable. After NotOnLink in answer to a
//     Confirm, or when a server no longer knows the binding and gives no other, discovery starts while
//     an address that is on the NIC stays until the new one has passed duplicate address detection, or
//     until its valid lifetime ends (sections 18 and 18.2.13 would take it off first). Where one Reply
//     ends its lifetime and gives another (as Kea does when a reservation has changed), it stays until
//     that is usable, for 10 s at the most (section 18.2.10.1 would have it dropped at once).
//   - No lifetimes, no T1, no T2 and no wished address are ever sent in a Solicit: some servers grant
//     the shorter wish, or the old address where the reservation has changed.
//   - After a Confirm, a binding whose T1 and T2 never come is checked again with a Solicit without
//     Rapid Commit while its address stays (recheck.go): nothing else notices a changed reservation.
//   - A saved lease is installed once a Confirm was answered, or not in 10 s; what is on the NIC from
//     before a restart of the program stays there meanwhile. Its age in another boot is the wall
//     clock's, if that did not go backwards (LoadLease).
//   - The command `lease` ends with fresh lifetimes: where the re-check keeps the address, a Renew
//     follows. It ends with the refusal if two rounds of Solicits brought nothing else, and with the
//     duplicate when a second address had to be declined; the engine goes on by itself.
//   - T1 of 0 counts as half, T2 of 0 as four fifths, of the shortest preferred lifetime.
//   - Not built: IA_PD, IA_TA, several IA_NAs, Server Unicast, user and vendor classes, and the
//     anonymity profile of RFC 7844.
package client
