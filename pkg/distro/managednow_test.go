package distro

import (
	"testing"
	"testing/fstest"
)

func TestWhoLooksAfterANICNow(t *testing.T) {
	for _, tt := range []struct {
		name, networkd, nm string
		want               bool
	}{
		{"nobody", "", "", false},
		{"networkd", "# private\nADMIN_STATE=configured\n", "", true},
		{"networkd, which failed", "ADMIN_STATE=failed\n", "", true},
		{"networkd has just met it", "ADMIN_STATE=pending\n", "[device]\nmanaged=true\n", false},
		{"networkd leaves it alone", "ADMIN_STATE=unmanaged\n", "", false},
		{"NetworkManager", "", "[device]\nmanaged=true\nconnection-uuid=x\n", true},
		{"NetworkManager leaves it alone", "", "[device]\nmanaged=false\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := fstest.MapFS{}
			for name, text := range map[string]string{"run/systemd/netif/links/2": tt.networkd, "run/NetworkManager/devices/2": tt.nm} {
				if text != "" {
					m[name] = file([]byte(text))
				}
			}
			if got := ManagedNow(NewTree(m), 2); got != tt.want {
				t.Errorf("%t", got)
			}
		})
	}
}
