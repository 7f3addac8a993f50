package e2e

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
)

// startAgent starts v6guest on all of the guest's NICs. They are named, since by itself v6guest
// leaves alone what has no device behind it. More holds further lines of the [agent] section,
// options are of the command line.
func startAgent(c *cloud.Cloud, more string, options ...string) (*lab.Process, error) {
	nics := ""
	for _, n := range c.Nets {
		nics += " " + n.NIC
	}
	conf := "[agent]\nnics =" + nics + "\n" + more
	if err := c.Guest.WriteFile("/etc/v6guest/v6guest.conf", conf); err != nil {
		return nil, err
	}
	bound, err := unitCapabilities("v6guest.service")
	if err != nil {
		return nil, err
	}
	args := []string{"setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=" + bound, "v6guest", "run"}
	return c.Guest.Start(append(args, options...)...)
}

// unitCapabilities is the bounding set of a unit of ours, as setpriv(1) wants it: the agent can do here what it can
// do where systemd starts it.
func unitCapabilities(unit string) (string, error) {
	text, err := os.ReadFile(filepath.Join("..", "..", "systemd", unit))
	if err != nil {
		return "", err
	}
	bound := "-all"
	for line := range strings.Lines(string(text)) {
		if list, ok := strings.CutPrefix(line, "CapabilityBoundingSet="); ok {
			for _, name := range strings.Fields(list) {
				bound += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
			}
		}
	}
	return bound, nil
}

// agent is startAgent for tests; the context that it returns also ends when the agent does.
func agent(ctx context.Context, t *testing.T, c *cloud.Cloud, more string, options ...string) (context.Context, *lab.Process) {
	t.Helper()
	p, err := startAgent(c, more, options...)
	check(t, err)
	ctx, cancel := p.Guard(ctx)
	t.Cleanup(cancel)
	return ctx, p
}

// asReserved waits until every NIC of the guest has its reserved address and no other, and only the
// first a default route.
func asReserved(ctx context.Context, t *testing.T, c *cloud.Cloud) lab.State {
	t.Helper()
	s, err := c.Guest.Await(ctx, "the reserved addresses and one default route", func(s lab.State) bool {
		for _, n := range c.Nets {
			if len(s.Global(n.NIC)) != 1 || !s.Usable(n.NIC, n.Reserved.Addr) {
				return false
			}
		}
		return slices.Equal(s.DefaultNICs(), []string{"eth0"})
	})
	check(t, err)
	return s
}

// A leaseResult is what `v6guest lease --json` says of one NIC, as far as the tests read it.
type leaseResult struct {
	NIC     string
	Address netip.Addr
	Was     netip.Addr
	Fault   *struct {
		Error, Cure string
		Exit        int
	}
}

// lease runs `v6guest lease --json` and returns what it says and its exit code.
func lease(ctx context.Context, t *testing.T, m *lab.Machine, args ...string) ([]leaseResult, lab.Result) {
	t.Helper()
	r, err := m.Run(ctx, append([]string{"v6guest", "lease", "--json"}, args...)...)
	check(t, err)
	var out []leaseResult
	if r.Stdout != "" {
		if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil {
			t.Fatalf("v6guest lease --json: %v\n%s%s", err, r.Stdout, r.Stderr)
		}
	}
	return out, r
}

// history tells what the kernel said of an address, in order: "came", "usable", "gone".
func history(m *lab.Machine, addr netip.Addr) []string {
	var out []string
	for _, c := range m.Changes() {
		if c.Route || c.Prefix.Addr() != addr {
			continue
		}
		word := "came"
		switch {
		case c.Gone:
			word = "gone"
		case c.Usable:
			word = "usable"
		}
		if len(out) == 0 || out[len(out)-1] != word {
			out = append(out, word)
		}
	}
	return out
}
