// Package listener is the guest's side of Router Advertisements (RFC 4861, section 6.3): an Engine
// that solicits and keeps what routers say, for one NIC, and a Runner that gives it a socket and a
// clock. It never sends an advertisement and touches neither addresses nor routes: what becomes of
// the routers, prefixes and flags it tells of is its user's business. OnLink judges which on-link
// prefixes may become routes.
//
// The engine's life is: LinkUp begins a round of solicitations (RFC 7559), Received fills its lists,
// time empties them, and each change worth acting on is told by one Changed with a whole Snapshot.
//
// What strangers can occupy is bounded: MaxRouters routers, and of each kind of information as many
// entries as its limit says. An entry that is known is not pushed out by a newcomer from another
// router, except that each router is sure of an even share of two prefixes, and that a prefix which
// holds an address of the NIC (Addresses) takes the place of one that holds none. An advertisement that finds the list of routers full is dropped. What a
// router said can be shortened or withdrawn by that router only, not by another source address.
package listener
