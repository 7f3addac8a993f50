// Package hosts reads reservations in the syntax of dnsmasq's dhcp-hostsfile and follows the file, or
// folder of files, that holds them.
//
// Parse turns text into Hosts, Build makes an Index of them, which answers who has which address. A
// Tracker decides, from what happened to the files and when, what is in force: additions and changes
// at once, a line that is gone only when the writer is surely done. All of that is pure. A Watcher is
// the rim that hears inotify, reads the files and keeps the time.
package hosts
