package distro

import (
	"testing"
	"testing/fstest"
	"time"
)

func TestThePortIsSharedWithADhcpcdThatLeasesElsewhere(t *testing.T) {
	written := time.Unix(1700000000, 0)
	before, after := written.Add(-time.Minute), written.Add(time.Minute)
	manager := func(started time.Time) []Process {
		return []Process{{Name: "dhcpcd", Args: []string{"[manager]", "[ip4]", "[ip6]"}, Started: started}}
	}
	oneNIC := []Process{{Name: "dhcpcd", Args: []string{"eth0", "[ip4]", "[ip6]"}, Started: after}}
	const told = "slaac private\ninterface eth0 eth9\nnodhcp6\n"
	for _, tt := range []struct {
		name, conf string
		processes  []Process
		enabled    bool
		want       bool
	}{
		{"told, and started since", told, manager(after), false, true},
		{"told, and not started since", told, manager(before), false, false},
		{"told, and will be started", told, nil, true, true},
		{"told, and never started", told, nil, false, false},
		{"of another NIC", "interface eth1\nnodhcp6\n", manager(after), false, false},
		{"for all", "nodhcp6\ninterface eth1\ndhcp6\n", manager(after), false, true},
		{"for all but this one", "nodhcp6\ninterface eth*\ndhcp6\n", manager(after), false, false},
		{"has not the NIC", "denyinterfaces eth0\n", manager(after), false, true},
		{"leases", "duid ll\n", manager(after), false, false},
		{"one of its own", told, oneNIC, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := fstest.MapFS{"etc/dhcpcd.conf": {Data: []byte(tt.conf), ModTime: written}}
			if tt.enabled {
				m["etc/systemd/system/multi-user.target.wants/dhcpcd.service"] = file([]byte("[Service]\nExecStart=/usr/sbin/dhcpcd\n"))
			}
			processes := func() []Process { return tt.processes }
			if _, got := SharesPort(NewTree(m), processes, NIC{Name: "eth0"}); got != tt.want {
				t.Errorf("%t, want %t", got, tt.want)
			}
		})
	}
}
