// Package responder is the router's side: a DHCPv6 server (RFC 9915) for networks in which addresses are
// reserved for NICs or given out of pools, and the Router Advertisements that go with it.
//
// Engine decides: a message and where it came from go in, answers come out. A reservation is
// configuration: what package hosts found in the hosts file, or what prefix and MAC make. Of pools
// (package pool) the engine keeps who has which address; it asks for every change to be stored, and keeps
// the answer back until a Stored event says that it is. Serve is the rim: it reads frames and datagrams,
// follows the NICs and the hosts file, and does what the engine says:
//
//	for _, a := range engine.Step(clk.Now(), event) {
//		… // send it, or write it to the log
//	}
//
// Frames come from a packet socket on each served NIC, so that the sender's MAC is known and no answer
// waits for the kernel's neighbour table; the UDP socket serves relay agents, and messages that came in
// fragments. Bytes are package wire's business, Router Advertisements package ra's, NICs package link's.
package responder
