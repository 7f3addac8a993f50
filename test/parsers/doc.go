// Package parsers has no code of its own: its tests give what pkg/distro writes to the parsers of the
// distributions themselves (ifupdown, ifupdown2, ifupdown-ng, netplan, NetworkManager, systemd-networkd,
// dhclient, a shell), in roots that hold them and in namespaces of their own. They need root.
package parsers
