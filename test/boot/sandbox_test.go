package boot

import "testing"

// sandboxCases are guests for which v6guest-reconfigure.service has to start, or tell, what the distribution
// has: all of it runs within the unit's sandbox.
var sandboxCases = []guestCase{
	{
		name: "debian12-ifupdown-dhclient-leases", spec: debian12, files: []file{text("/etc/network/interfaces", twoNICs), distroLeases},
		stack: "ifupdown with dhclient", client: "dhclient", way: 1,
	},
	{
		name: "debian13-networkmanager", spec: nm, stack: "NetworkManager", client: "v6guest", way: 1,
		files: []file{keyfile("eth0", "6e9d6a0e-4f0c-4b65-9c19-000000000000"), keyfile("eth1", "6e9d6a0e-4f0c-4b65-9c19-000000000001")},
	},
	{name: "debian13-netplan", spec: clouds, files: []file{secret("/etc/netplan/50-lan.yaml", netplanEach)}, stack: "networkd, from netplan", client: "v6guest", way: 1},
}

func TestFilesFollowWithinTheSandbox(t *testing.T) {
	needLong(t)
	for _, tt := range sandboxCases {
		t.Run(tt.name, func(t *testing.T) { filesFollow(t, tt) })
	}
}
