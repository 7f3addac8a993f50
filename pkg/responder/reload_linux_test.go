package responder

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
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
