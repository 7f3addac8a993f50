package responder

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
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

// TestWhatIsStoredAtTheStopIsTold to the log, the counts and the client: a change that waits for others is flushed when
// the server stops.
func TestWhatIsStoredAtTheStopIsTold(t *testing.T) {
	n := newNet(t)
	n.pace = time.Hour
	s, stop := n.serve(plain+"pool = 2001:db8:1::f0-2001:db8:1::ff\n", reservations(1))
	first, second := newGuest(101), newGuest(102)
	n.sendFrame(first.frame(t, first.request()))
	n.next()
	n.sendFrame(second.frame(t, second.request()))
	for queued := 0; queued == 0; {
		if err := s.inLoop(t.Context(), func() { queued = s.store.Stats().Queued }); err != nil {
			t.Fatal(err)
		}
	}
	if err := stop(ErrRestart); err != nil {
		t.Fatal(err)
	}
	log := n.log.String()
	for _, want := range []string{`msg="address leased" address=2001:db8:1::f`, "mac=" + second.mac.String(), "lease leased:2"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %s in the log:\n%s", want, log)
		}
	}
	got := n.next().msg
	if got.ClientID != second.duid || len(got.IANAs) != 1 || len(got.IANAs[0].Addresses) != 1 {
		t.Fatalf("answered is %v", got)
	}
	a := got.IANAs[0].Addresses[0].Addr.String()
	if found, _ := stored(t, filepath.Join(n.dir, "state"), storeFile); len(found) != 2 || !slices.Contains(found, a) {
		t.Errorf("stored is %v, acknowledged %s", found, a)
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

// TestWhatWasNotStoredIsNobodys: it is not listed, takes no room of the pool, and what cannot be released is not said to
// be. The status tells what is wrong once, with what helps.
func TestWhatWasNotStoredIsNobodys(t *testing.T) {
	n := newNet(t)
	s, _ := n.serve(plain+"pool = 2001:db8:1::f0-2001:db8:1::f1\n", reservations(1))
	dir, file := n.control(s), filepath.Join(n.dir, "state", storeFile)
	stored, late := newGuest(101), newGuest(102)
	n.sendFrame(stored.frame(t, stored.request()))
	address := n.next().msg.IANAs[0].Addresses[0].Addr.String()
	if err := os.Mkdir(file+".d", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Renameat2(unix.AT_FDCWD, file+".d", unix.AT_FDCWD, file, unix.RENAME_EXCHANGE); err != nil {
		t.Fatal(err)
	}
	n.sendFrame(late.frame(t, late.request()))
	for dropped := uint64(0); dropped == 0; {
		if err := s.inLoop(t.Context(), func() { dropped = s.engine.Counts()["dropped: "+dropNotStored] }); err != nil {
			t.Fatal(err)
		}
	}
	_, err := ReleaseLease(t.Context(), dir, address)
	if f := (*fault.Fault)(nil); !errors.As(err, &f) || !strings.Contains(err.Error(), address+" is not released: ") || !strings.Contains(f.Cure, "move it away") {
		t.Errorf("released: %v", err)
	}
	if all, err := ListLeases(t.Context(), dir, nil); err != nil || len(all.Leases) != 1 || all.Leases[0].Address != address {
		t.Errorf("listed: %+v, %v", all, err)
	}
	st, err := AskStatus(t.Context(), dir)
	if err != nil || len(st.Problems) != 1 || !strings.Contains(st.Problems[0].What, "which is no file") || !strings.Contains(st.Problems[0].Try, "move it away") {
		t.Errorf("problems: %+v, %v", st.Problems, err)
	}
	if st.Networks[0].Pool.Used != 1 || st.Store.Error == "" {
		t.Errorf("%+v, %+v", st.Networks[0].Pool, st.Store)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := ReleaseLease(t.Context(), dir, address); err != nil {
		t.Error(err)
	}
	if all, err := ListLeases(t.Context(), dir, nil); err != nil || len(all.Leases) != 0 {
		t.Errorf("listed: %+v, %v", all, err)
	}
	st, err = AskStatus(t.Context(), dir)
	if err != nil || len(st.Problems) != 1 || !strings.Contains(st.Problems[0].What, "is written there again") || st.Store.Error != "" {
		t.Errorf("problems: %+v, %v", st.Problems, err)
	}
}
