package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// A refusal is a command that must fail in one clear way and break nothing else.
type refusal struct {
	name    string
	prepare func(*testing.T, *lab.Machine)
	args    []string
	code    int
	says    []string // in stderr
}

func TestBadInputGetsAClearError(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := served(ctx, t, peer.Dnsmasq, 1)
	n := c.Nets[0]
	shell := func(script string) func(*testing.T, *lab.Machine) {
		return func(t *testing.T, m *lab.Machine) {
			t.Helper()
			r, err := m.Run(ctx, "sh", "-ec", script)
			check(t, err)
			if r.Code != 0 {
				t.Fatalf("%s: %s", script, r.Stderr)
			}
		}
	}
	config := func(text string) func(*testing.T, *lab.Machine) {
		return func(t *testing.T, m *lab.Machine) {
			t.Helper()
			check(t, m.WriteFile("/etc/v6guest/v6guest.conf", text))
		}
	}
	refusals := []refusal{
		{"a NIC that is down", nil, []string{"lease", "eth0", "--timeout", "5s"}, 1, []string{"eth0", "down"}},
		{"a NIC that is not there", shell("ip link set eth0 up"), []string{"lease", "eth7"}, 2, []string{"eth7"}},
		{"a name that is no NIC's", nil, []string{"lease", "eth0; reboot"}, 2, []string{`eth0; reboot`}},
		{"the loopback", nil, []string{"lease", "lo"}, 2, []string{"lo"}},
		{"a NIC without a MAC", shell("ip tuntap add tun0 mode tun; ip link set tun0 up"), []string{"lease", "tun0", "--timeout", "5s"}, 2, []string{"tun0"}},
		{"IPv6 disabled on the NIC", shell("sysctl -q net.ipv6.conf.eth0.disable_ipv6=1"), []string{"lease", "eth0", "--timeout", "5s"}, 1, []string{"eth0", "disable_ipv6"}},
		{"an unknown key", config("[agent]\nnics = eth0\nduidd = nic\n"), []string{"run"}, 2, []string{"/etc/v6guest/v6guest.conf:3", "duidd", `"duid"`}},
		{"a value out of the list", config("[agent]\nlease = me\n"), []string{"run"}, 2, []string{"/etc/v6guest/v6guest.conf:2", "agent", "distro"}},
		{"an unknown section", config("[agents]\nlease = agent\n"), []string{"run"}, 2, []string{"/etc/v6guest/v6guest.conf:1", "agents"}},
		{"a configuration that is named and not there", config(""), []string{"--config", "/etc/none.conf", "run"}, 2, []string{"/etc/none.conf"}},
		{"an unknown command", nil, []string{"leese"}, 2, []string{"leese"}},
		{"an unknown option", nil, []string{"lease", "eth0", "--jason"}, 2, []string{"--jason"}},
		{"an option without its value", nil, []string{"lease", "eth0", "--timeout"}, 2, []string{"--timeout"}},
		{"no agent to ask", nil, []string{"status"}, 1, []string{"no agent"}},
	}
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			if tt.prepare != nil {
				tt.prepare(t, c.Guest)
			}
			r, err := c.Guest.Run(ctx, append([]string{"v6guest"}, tt.args...)...)
			check(t, err)
			refused(t, r, tt.code, tt.says...)
		})
	}
	// None of it has broken anything: an option after the NIC's name, and an address.
	shell("sysctl -q net.ipv6.conf.eth0.disable_ipv6=0")(t, c.Guest)
	result, r := lease(ctx, t, c.Guest, "eth0", "--timeout", "20s")
	if r.Code != 0 || len(result) != 1 || result[0].Address != n.Reserved.Addr {
		t.Errorf("lease after all that: exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// refused checks a command's exit code and that stderr says this, in few lines beside an indented example, and
// nothing of Go's.
func refused(t *testing.T, r lab.Result, code int, says ...string) {
	t.Helper()
	if r.Code != code {
		t.Errorf("exit code %d, want %d", r.Code, code)
	}
	for _, word := range says {
		if !strings.Contains(r.Stderr, word) {
			t.Errorf("stderr does not say %q:\n%s", word, r.Stderr)
		}
	}
	lines := strings.Count(r.Stderr, "\n") - strings.Count(r.Stderr, "\n    ")
	if strings.Contains(r.Stderr, "goroutine") || lines > 4 {
		t.Errorf("more than an error and its cure:\n%s", r.Stderr)
	}
}

func TestWithoutPermissionTheExitCodeSaysSo(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Dnsmasq, 1)
	check(t, c.GuestUp())
	_, err := c.Guest.Await(ctx, "a link-local address", func(s lab.State) bool { return s.LinkLocal("eth0").IsValid() })
	check(t, err)
	r, err := c.Guest.Run(ctx, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "v6guest", "lease", "eth0", "--timeout", "5s")
	check(t, err)
	refused(t, r, 6, "root")
	r, err = c.Guest.Run(ctx, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "v6guest", "run")
	check(t, err)
	refused(t, r, 6, "CAP_NET_ADMIN", "root")
}

func TestAnotherClientOnPort546IsNamed(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Dnsmasq, 1)
	check(t, c.GuestUp())
	_, err := c.Guest.Await(ctx, "a link-local address", func(s lab.State) bool { return s.LinkLocal("eth0").IsValid() })
	check(t, err)
	p, err := peer.StartDhclient(c.Guest, "eth0")
	check(t, err)
	guard, cancel := p.Guard(ctx)
	defer cancel()
	usable(guard, t, c, "eth0", c.Nets[0].Reserved.Addr)
	r, err := c.Guest.Run(ctx, "v6guest", "lease", "eth0", "--timeout", "5s")
	check(t, err)
	refused(t, r, 1, "eth0", "546", "dhclient")
}

func TestResponderRefusesWhatItCannotServe(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	m := c.Nets[0].Router
	const file = "/etc/v6responder/v6responder.conf"
	network := "[network guests]\ninterface = eth0\nprefix = 2001:db8:1::/64\n"
	refusals := []struct {
		name, config string
		says         []string
	}{
		{"an unknown key", "[server]\nhost = /etc/v6responder/hosts\n" + network, []string{file + ":2", "host", `"hosts"`}},
		{"a prefix that is no /64", "[server]\nhosts = /etc/v6responder/hosts\n[network guests]\ninterface = eth0\nprefix = 2001:db8::/48\n", []string{file + ":5", "/48", "allow_any_prefix"}},
		{"no prefix", "[server]\n[network guests]\ninterface = eth0\nassign = eui64\n", []string{file, "prefix"}},
		{"a value that is no duration", "[server]\nhosts = /etc/v6responder/hosts\n" + network + "router_lifetime = long\n", []string{file + ":6", "router_lifetime"}},
		{"no network", "[server]\nhosts = /etc/v6responder/hosts\n", []string{"[network NAME]"}},
	}
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			check(t, m.WriteFile(file, tt.config))
			for _, command := range []string{"check-config", "serve"} {
				r, err := m.Run(ctx, "v6responder", command)
				check(t, err)
				refused(t, r, 2, tt.says...)
			}
		})
	}
}
