package responder

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/v6guest/v6guest/pkg/wire"
)

// TestReloadPutsTheWholeConfigurationInForce while guests ask, and a broken one leaves the old one in force.
func TestReloadPutsTheWholeConfigurationInForce(t *testing.T) {
	n := newNet(t)
	s, _ := n.serve(plain, reservations(3))
	next := (*Config)(nil)
	var broken error
	s.opts.Load = func() (*Config, error) { return next, broken }
	dir := n.control(s)
	reload := func(config string) (Reloaded, error) {
		t.Helper()
		c, err := ParseConfig("conf", []byte(strings.Replace(config, "/hosts", filepath.Join(n.dir, "hosts"), 1)))
		if err != nil {
			t.Fatal(err)
		}
		next = c
		return Reload(t.Context(), dir)
	}
	asks := func(i int) string {
		t.Helper()
		g := newGuest(i)
		m := g.request()
		m.Requested = append(m.Requested, 23)
		n.sendFrame(g.frame(t, m))
		got := n.next().msg
		if len(got.IANAs[0].Addresses) == 0 {
			return "nothing"
		}
		if a := got.IANAs[0].Addresses[0].Addr; netip.MustParsePrefix("2001:db8:1::b000/116").Contains(a) {
			return "pool " + got.DNS[0].String()
		}
		return "reserved " + got.DNS[0].String()
	}
	if got := asks(1) + ", " + asks(100); got != "reserved 2001:db8:1::53, nothing" {
		t.Errorf("at first: %s", got)
	}
	with := strings.Replace(plain, "::53", "::54", 1) + "pool = 2001:db8:1::b000-2001:db8:1::bfff\n"
	if got, err := reload(with); err != nil || got.Networks != 1 || got.Lines != 3 {
		t.Errorf("reload: %+v, %v", got, err)
	}
	if got := asks(1) + ", " + asks(100); got != "reserved 2001:db8:1::54, pool 2001:db8:1::54" {
		t.Errorf("with a pool: %s", got)
	}
	broken = errors.New("f:5: unknown key")
	if _, err := Reload(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "f:5: unknown key") {
		t.Errorf("a broken file: %v", err)
	}
	broken = nil
	if got := asks(1) + ", " + asks(100); got != "reserved 2001:db8:1::54, pool 2001:db8:1::54" {
		t.Errorf("after a broken file: %s", got)
	}
	// Hosts in another place, the pool gone, a second network whose NIC is there already.
	other := filepath.Join(n.dir, "elsewhere")
	if err := os.WriteFile(other, []byte("06:a0:f0:00:00:64,[2001:db8:1::64]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.ip("link", "add", "eth2", "address", "02:00:00:00:00:02", "type", "veth", "peer", "name", "c2")
	n.ip("link", "set", "c2", "up")
	n.ip("link", "set", "eth2", "up")
	third := strings.Replace(plain, "/hosts", other, 1) + "[network second]\ninterface = eth2\nprefix = 2001:db8:2::/64\n"
	c, err := ParseConfig("conf", []byte(third))
	if err != nil {
		t.Fatal(err)
	}
	next = c
	if got, err := Reload(t.Context(), dir); err != nil || got.Networks != 2 || got.Lines != 1 {
		t.Errorf("reload: %+v, %v", got, err)
	}
	if got := asks(1) + ", " + asks(100); got != "nothing, reserved 2001:db8:1::53" {
		t.Errorf("with other hosts: %s", got)
	}
	serving := func(name string) (out bool) {
		t.Helper()
		if err := s.inLoop(t.Context(), func() { out = s.ports[name] != nil && s.ports[name].conn != nil }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for !serving("eth2") { // its event may not have come yet
	}
	// The first network goes.
	if _, err := reload("[server]\nhosts = /hosts\n[network second]\ninterface = eth2\nprefix = 2001:db8:2::/64\n"); err != nil {
		t.Error(err)
	}
	if serving("eth1") || !serving("eth2") {
		t.Error("eth1 is served still, or eth2 is not")
	}
	if s.duid != wire.LinkLayerDUID([]byte{2, 0, 0, 0, 0, 1}) {
		t.Errorf("the server has become another one: %s", s.duid)
	}
}

// TestEveryKeyIsInForceAfterAReload: each key of the documentation, changed while the server runs, is what the
// engine, the NIC and its advertisements go by; none waits for a restart.
func TestEveryKeyIsInForceAfterAReload(t *testing.T) {
	n := newNet(t)
	n.ip("link", "set", "lo", "up")
	s, _ := n.serve(plain, reservations(3))
	dir := n.control(s)
	for _, k := range Keys() {
		t.Run(k.Name, func(t *testing.T) {
			lines := map[string]string{"server": "", "network": "interface = eth1\nprefix = 2001:db8:1::/64\n"}
			example := keyExamples[k.Name]
			switch k.Name {
			case "interface", "prefix": // that it is in force is another test's
			case "hosts":
				lines["server"] = "hosts = " + filepath.Join(n.dir, "hosts") + "\n"
			default:
				lines[k.Section] += example + "\n"
			}
			c, err := ParseConfig("conf", []byte("[server]\n"+lines["server"]+"[network guests]\n"+lines["network"]))
			if err != nil {
				t.Fatal(err)
			}
			s.opts.Load = func() (*Config, error) { return c, nil }
			if got, err := Reload(t.Context(), dir); err != nil || strings.Contains(strings.Join(got.Warnings, "\n"), "restart") {
				t.Fatalf("%+v, %v", got, err)
			}
			err = s.inLoop(t.Context(), func() {
				duid := c.DUID
				if duid == "" {
					duid = wire.LinkLayerDUID([]byte{2, 0, 0, 0, 0, 1})
				}
				if got, want := s.engine.cfg, c.Engine(duid); !reflect.DeepEqual(got, want) {
					t.Errorf("the engine has\n%+v, not\n%+v", got, want)
				}
				if p := s.ports["eth1"]; p == nil || !reflect.DeepEqual(p.network, &c.Networks[0]) || (p.ra != nil) != c.Networks[0].RA.Send {
					t.Errorf("the NIC is not served as it should be: %+v", p)
				}
				if (s.prometheus != nil) != c.Metrics.IsValid() {
					t.Errorf("metrics at %v", s.prometheus)
				}
				if (s.watcher != nil) != (c.Hosts != "") {
					t.Errorf("hosts %q", c.Hosts)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestMetricsMoveByAReload: to another address, to one that is taken, which leaves the old one in force, to one that
// holds the old one, and nowhere.
func TestMetricsMoveByAReload(t *testing.T) {
	n := newNet(t)
	n.ip("link", "set", "lo", "up")
	taken, err := net.Listen("tcp", "[::1]:9549")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s, _ := n.serve(strings.Replace(plain, "[server]", "[server]\nmetrics = [::1]:9547", 1), reservations(1))
	dir := n.control(s)
	read := func(addr string) bool {
		t.Helper()
		c, err := net.Dial("tcp", addr) // by this thread, in its namespace
		if err != nil {
			return false
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /metrics HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(c)
		return err == nil && strings.Contains(string(b), "v6responder_hosts_lines 1")
	}
	for _, tt := range []struct {
		metrics string
		fails   string
		at, not string
	}{
		{"metrics = [::1]:9548", "", "[::1]:9548", "[::1]:9547"},
		{"metrics = [::1]:9549", "metrics: listen tcp [::1]:9549: bind: address already in use", "[::1]:9548", "[::1]:9547"},
		{"metrics = [::]:9548", "", "127.0.0.1:9548", "[::1]:9547"},
		{"metrics = [::1]:9548", "", "[::1]:9548", "127.0.0.1:9548"},
		{"metrics = [2001:db8::9]:9548", "cannot assign requested address", "[::1]:9548", "127.0.0.1:9548"},
		{"", "", "", "[::1]:9548"},
	} {
		s.opts.Load = func() (*Config, error) {
			config := strings.Replace(plain, "[server]", "[server]\n"+tt.metrics, 1)
			return ParseConfig("conf", []byte(strings.Replace(config, "/hosts", filepath.Join(n.dir, "hosts"), 1)))
		}
		_, err := Reload(t.Context(), dir)
		if (err == nil) != (tt.fails == "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
			t.Fatalf("%s: %v", tt.metrics, err)
		}
		if tt.at != "" && !read(tt.at) || read(tt.not) {
			t.Errorf("%q: read at %s: %v, at %s: %v", tt.metrics, tt.at, read(tt.at), tt.not, read(tt.not))
		}
	}
}

// TestADUIDThatIsTakenOutOfTheConfiguration is followed by the one that was kept, as after a restart; where none was,
// the answer says that it stays until then.
func TestADUIDThatIsTakenOutOfTheConfiguration(t *testing.T) {
	for _, kept := range []bool{true, false} {
		n := newNet(t)
		written := strings.Replace(plain, "[server]", "[server]\nduid = 00:02:00:00:ab:11:01", 1)
		if kept {
			if err := saveDUID(filepath.Join(n.dir, "state"), other); err != nil {
				t.Fatal(err)
			}
		}
		s, stop := n.serve(written, reservations(1))
		s.opts.Load = func() (*Config, error) {
			return ParseConfig("conf", []byte(strings.Replace(plain, "/hosts", filepath.Join(n.dir, "hosts"), 1)))
		}
		got, err := s.Reload(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		warned := strings.Contains(strings.Join(got.Warnings, "\n"), "duid: the server goes on as 00:02:00:00:ab:11:01, which the configuration does not say any more, until it is restarted")
		want := wire.DUID("\x00\x02\x00\x00\xab\x11\x01")
		if kept {
			want = other
		}
		if err := s.inLoop(t.Context(), func() {
			if s.duid != want || warned == kept {
				t.Errorf("kept: %v; goes on as %s, warned: %v", kept, s.duid, warned)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if err := stop(ErrRestart); err != nil {
			t.Error(err)
		}
	}
}
