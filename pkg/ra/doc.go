// Package ra holds Router Advertisements and Solicitations (RFC 4861, section 4) as values and as
// bytes, the rules by which a receiver drops one, and the socket that carries them on one NIC.
//
// Package listener is the guest's side: it hears routers and says which there are, with their
// prefixes and flags. Package sender is the router's side. Each is an engine without socket, clock or
// goroutine, and a runner that gives it these.
//
// SEND (RFC 3971), provisioning domains (RFC 7556), captive portals and encrypted DNS are not offered:
// their options are skipped as unknown. Neighbour caches, reachability and address resolution are the
// kernel's.
//
// Reading is bounded: its time and memory are linear in the packet, a bad option is left out and
// named in Flaws, and only what RFC 4861 says is dropped as a whole. The codec of
// github.com/mdlayher/ndp v1.1.0 is a peer in the tests and not used here: one bad option costs it
// the whole message, options of 256 bytes and more (16 DNS servers) cannot be read or written, a
// route's prefix loses the bits behind the last whole byte, and names go through IDNA, at a cost that
// is not linear.
package ra
