// Package link is the guest's NICs as the kernel has them: an inventory, the changes to it, and the
// addresses and routes that v6guest puts there. It speaks rtnetlink and decides nothing: which NIC
// leases, and what becomes of a route, is package guest's business; switches under /proc/sys are
// package sysctl's.
//
// A Kernel belongs to one network namespace. Its calls may come from several goroutines. Watch hands
// out a full inventory and then each change; it survives lost messages by listing anew and telling
// the differences, so that whoever follows its events has the kernel's state after each Listed.
//
// Reading and writing go through github.com/vishvananda/netlink/nl, its message layer. Its upper
// layer is not used: it decodes neither the origin of an address (IFA_PROTO) nor nexthop objects
// (RTA_NH_ID) nor the expiry of a route, and its subscriptions end in silence when messages are lost.
package link
