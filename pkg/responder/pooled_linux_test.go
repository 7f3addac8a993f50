package responder

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/wire"
)

// request is the guest's Request for any address.
func (g guest) request() *wire.Message {
	m := g.solicit()
	m.Type, m.ServerID = dhcpv6.MessageTypeRequest, wire.LinkLayerDUID([]byte{2, 0, 0, 0, 0, 1})
	return m
}

// TestServeKeepsTheBindingsOfAPool over a restart, in the real store; the router's own address is nobody's.
func TestServeKeepsTheBindingsOfAPool(t *testing.T) {
	n := newNet(t)
	config := plain + "pool = 2001:db8:1::f0-2001:db8:1::f2\n"
	n.ip("addr", "add", "2001:db8:1::f1/64", "dev", "eth1", "nodad")
	_, stop := n.serve(config, reservations(1))
	given := map[string]netip.Addr{}
	for _, i := range []int{101, 102} {
		g := newGuest(i)
		n.sendFrame(g.frame(t, g.request()))
		given[g.mac.String()] = n.next().msg.IANAs[0].Addresses[0].Addr
	}
	a, b := given[newGuest(101).mac.String()], given[newGuest(102).mac.String()]
	own := netip.MustParseAddr("2001:db8:1::f1")
	if a == b || a == own || b == own {
		t.Errorf("given: %s and %s", a, b)
	}
	full := newGuest(103)
	n.sendFrame(full.frame(t, full.request()))
	if got := n.next(); len(got.msg.IANAs[0].Addresses) != 0 {
		t.Errorf("the third gets %v", got.msg)
	}
	if err := stop(ErrRestart); err != nil {
		t.Fatal(err)
	}
	n.serve(config, reservations(1))
	n.sendFrame(full.frame(t, full.request()))
	if got := n.next(); len(got.msg.IANAs[0].Addresses) != 0 {
		t.Errorf("after the restart the third gets %v", got.msg)
	}
	for _, i := range []int{102, 101} {
		g := newGuest(i)
		renew := g.request()
		renew.Type = dhcpv6.MessageTypeRenew
		n.sendFrame(g.frame(t, renew))
		if got := n.next().msg.IANAs[0]; len(got.Addresses) != 1 || got.Addresses[0].Addr != given[g.mac.String()] {
			t.Errorf("guest %d renews %v, had %s", i, got, given[g.mac.String()])
		}
	}
}

// TestAStoreFileThatIsRemovedLosesNothing, though the server is killed then: what stands in its folder has
// the binding from before and the one from afterwards, and the status says what has happened.
func TestAStoreFileThatIsRemovedLosesNothing(t *testing.T) {
	n := newNet(t)
	s, stop := n.serve(plain+"pool = 2001:db8:1::f0-2001:db8:1::f2\n", reservations(1))
	dir, state := n.control(s), filepath.Join(n.dir, "state")
	lease := func(i int) {
		g := newGuest(i)
		n.sendFrame(g.frame(t, g.request()))
		if got := n.next().msg.IANAs[0]; len(got.Addresses) != 1 {
			t.Fatalf("guest %d gets %v", i, got)
		}
	}
	lease(101)
	if err := os.Remove(filepath.Join(state, storeFile)); err != nil {
		t.Fatal(err)
	}
	lease(102)
	image := t.TempDir()
	b, err := os.ReadFile(filepath.Join(state, storeFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(image, storeFile), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	st, err := AskStatus(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	const want = "leases.db: the file was removed while in use; all that it had is written there again"
	if len(st.Problems) != 1 || !strings.HasSuffix(st.Problems[0].What, want) || !strings.Contains(st.Problems[0].Try, "stop v6responder before") {
		t.Errorf("problems: %+v", st.Problems)
	}
	text, err := s.Metrics(t.Context())
	if err != nil || !strings.Contains(string(text), "v6responder_store_astray 0\nv6responder_store_returns_total 1\n") {
		t.Errorf("%v, metrics:\n%s", err, text)
	}
	if err := stop(ErrRestart); err != nil {
		t.Error(err)
	}
	if got := strings.Count(n.log.String(), want); got != 1 {
		t.Errorf("%d lines of the log tell", got)
	}
	found := map[[6]byte]bool{}
	store, err := openStore(image, leasestore.Options{Clock: clock.Boottime{}, Load: func(l *leasestore.Lease) { found[l.MAC] = true }})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if a, b := newGuest(101), newGuest(102); len(found) != 2 || !found[[6]byte(a.mac)] || !found[[6]byte(b.mac)] {
		t.Errorf("stored for %v", found)
	}
}
