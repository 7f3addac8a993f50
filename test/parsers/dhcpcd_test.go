package parsers

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/roots"
)

// controlNIC is a NIC of every machine that no golden case speaks of: dhcpcd asks for routers there, and when
// it does so for the second time, it has long asked on every other NIC on which it would.
const controlNIC = "ctl0"

func TestDhcpcdSolicitsRoutersWhereThePlanSaysSo(t *testing.T) {
	l := newLab(t)
	folderOf(t, roots.Trixie)
	for _, c := range goldenCases(t, "dhcpcd-") {
		t.Run(c.name+" "+c.policy, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			conf := c.files["/etc/dhcpcd.conf"]
			if strings.Contains(conf, "\nnoipv6rs\n") { // be it a global one
				conf += "\ninterface " + controlNIC + "\nipv6rs\n"
			}
			solicited, p := runDhcpcd(t, l, conf, append(c.nics, controlNIC))
			for _, bad := range []string{"unknown option", "invalid", "syntax"} {
				if strings.Contains(p.Output(), bad) {
					t.Errorf("dhcpcd complains:\n%s", p.Output())
				}
			}
			for _, nic := range c.nics {
				if got, want := solicited[nic], c.ra[nic] == "stack"; got != want {
					t.Errorf("%s: dhcpcd asks for routers: %v, want %v\n%s\n%s", nic, got, want, conf, p.Output())
				}
			}
		})
	}
}

// TestDhcpcdIsAsTheRefusalsSay: without a refusal, a NIC would have no router.
func TestDhcpcdIsAsTheRefusalsSay(t *testing.T) {
	l := newLab(t)
	for name, conf := range map[string]string{
		"noipv6 in a block":    "interface eth0\nnoipv6\ninterface eth0\nipv6rs\n",
		"ipv4only in a block":  "interface eth0\nipv4only\ninterface eth0\nnodhcp6\nipv6ra_noautoconf\n",
		"noipv6rs behind ours": "interface eth0\nipv6rs\nnoipv6rs\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if solicited, p := runDhcpcd(t, l, conf, []string{"eth0", controlNIC}); solicited["eth0"] {
				t.Errorf("dhcpcd asks for routers\n%s\n%s", conf, p.Output())
			}
		})
	}
	t.Run("CRLF", func(t *testing.T) {
		t.Parallel()
		solicited, p := runDhcpcd(t, l, "clientid\r\ninterface eth0\r\nnoipv6rs\r\n", []string{"eth0", controlNIC})
		if !strings.Contains(p.Output(), "unknown option") || !solicited["eth0"] {
			t.Errorf("dhcpcd takes CRLF:\n%s", p.Output())
		}
	})
}

// runDhcpcd runs dhcpcd as manager on a machine with those NICs, until it has asked for routers on the control
// NIC twice, and says on which it asked.
func runDhcpcd(t *testing.T, l *lab.Lab, conf string, nics []string) (solicited map[string]bool, p *lab.Process) {
	t.Helper()
	m := boot(t, l, roots.Trixie)
	// The kernel asks for routers too, where it processes what they say.
	if err := m.Sysctl("net/ipv6/conf/default/accept_ra", "0"); err != nil {
		t.Fatal(err)
	}
	segment, err := l.Segment(lab.Config{Name: "lan", Root: folderOf(t, roots.Trixie)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := segment.Close(); err != nil {
			t.Error(err)
		}
	})
	names := map[string]string{}
	for i, nic := range nics {
		mac := net.HardwareAddr{0x06, 0xa0, 0xf0, 0, byte(i), 0x38}
		names[mac.String()] = nic
		if _, err := m.Plug(segment, nic, mac); err != nil {
			t.Fatal(err)
		}
	}
	m.write("/etc/dhcpcd.conf", conf)
	p, err = m.Start("dhcpcd", "--nobackground", "--debug", "--nodev", "--script", "/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	solicited = map[string]bool{}
	times := 0
	_, _, err = segment.Capture.Await(ctx, 0, "two Router Solicitations of "+controlNIC, func(packet lab.Packet) bool {
		if packet.ICMP == lab.RouterSolicitation {
			nic := names[packet.From.String()]
			solicited[nic] = true
			if nic == controlNIC {
				times++
			}
		}
		return times == 2
	})
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, conf, p.Output())
	}
	return solicited, p
}
