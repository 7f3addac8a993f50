// Package sender is the router's side of Router Advertisements (RFC 4861, section 6.2): an Engine that
// decides, for one interface, when an advertisement leaves and what it says, and a Runner that gives
// it a socket and a clock. It never touches the neighbour table, addresses or routes.
//
// Advertisements leave only while the interface is up and has a link-local address that has passed
// duplicate address detection (LinkUp). Solicitations are answered to all nodes: one answer serves a
// storm of them, and none needs an entry in the kernel's neighbour table, which holds 1,024 by default.
//
// A restart says nothing (decision 14 of the design): only Stop with Final set sends an advertisement
// with router lifetime 0. What is taken out of the configuration is withdrawn before it is left out:
// a prefix is deprecated for up to two hours, other options are sent with lifetime 0 three times.
package sender
