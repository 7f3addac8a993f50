// Package sysctl sets the kernel's IPv6 switches of a NIC (net.ipv6.conf.NIC.…): live, in /proc/sys,
// and for the boots to come, in a file of v6guest's own under /etc/sysctl.d.
//
// Tree reads and writes the running kernel. A value counts as set only when it reads back. Persistent
// keeps the same settings in 99-v6guest.conf, a line a switch, bound to the NIC by name, so that both
// systemd-sysctl and procps apply them; it never changes a file of others, and reports where one of
// them wins. Which switch gets which value is package guest's business.
package sysctl
