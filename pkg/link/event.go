package link

// An Event is a change that Watch reports: NICChanged, NICGone, AddrChanged, AddrGone, RouteChanged,
// RouteGone, RuleChanged, RuleGone or Listed.
type Event interface{ event() }

// NICChanged says that a NIC is new or differs from what was told before: name, MAC, carrier, up or
// down, master and so on.
type NICChanged struct {
	NIC NIC
	// Before is what was told last; nil for a NIC that is new.
	Before *NIC
	// NotifyPeers says that the kernel announced the NIC to its neighbours, as after a live migration
	// (NETDEV_NOTIFY_PEERS): the link may be another one. NIC may then be equal to Before.
	NotifyPeers bool
}

// NICGone says that a NIC was removed (or moved to another namespace). AddrGone and RouteGone of what
// was on it come before.
type NICGone struct{ NIC NIC }

// AddrChanged says that an IPv6 address is new, or differs in flags, prefix length or lifetimes from
// what was told before. Link-local addresses are told too. Of an address that it makes itself the
// kernel says nothing until duplicate address detection has ended; Kernel.Addrs lists it earlier.
type AddrChanged struct{ Addr Addr }

// AddrGone says that an IPv6 address was removed. Addr is as the kernel described it last: with
// DADFailed set it was removed because another node has it (the kernel keeps an address that failed
// duplicate address detection only if its valid lifetime is infinite, and then tells AddrChanged).
type AddrGone struct{ Addr Addr }

// RouteChanged says that a route is new or changed. Told are, of IPv6, unicast routes that are
// default routes or whose protocol is kernel, RA or DHCP; of IPv4, default routes of the main table.
type RouteChanged struct{ Route Route }

// RouteGone says that a route was removed.
type RouteGone struct{ Route Route }

// RuleChanged says that a rule is new.
type RuleChanged struct{ Rule Rule }

// RuleGone says that a rule was removed.
type RuleGone struct{ Rule Rule }

// Listed says that all events before it together are the kernel's whole state: it follows the first
// inventory, and each one that had to be made because messages were lost.
type Listed struct {
	// Lost counts the times that messages were lost since Watch began; 0 after the first inventory.
	Lost int
}

func (NICChanged) event()   {}
func (NICGone) event()      {}
func (AddrChanged) event()  {}
func (AddrGone) event()     {}
func (RouteChanged) event() {}
func (RouteGone) event()    {}
func (RuleChanged) event()  {}
func (RuleGone) event()     {}
func (Listed) event()       {}
