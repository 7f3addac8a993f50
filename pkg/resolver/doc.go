// Package resolver hands DNS servers and search domains to whoever looks after name resolution on a
// system, and takes them back: systemd-resolved, resolvconf (Debian's or openresolv), or /etc/resolv.conf
// itself where it has no usable server and is nobody else's.
//
// Choose is pure: Facts go in, a Target with its chain of reasons comes out. A System reads the facts,
// hands over, and keeps a record, so that a later process, or `v6guest restore`, can take back what an
// earlier one handed over.
package resolver
