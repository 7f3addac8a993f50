package responder

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
)

// stored is what a start would find in a folder: the addresses of the pools, and the hosts that were added.
func stored(t *testing.T, state, name string) (addresses, hosts []string) {
	t.Helper()
	dir := t.TempDir()
	b, err := os.ReadFile(filepath.Join(state, name))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, storeFile), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	store, err := openStore(dir, leasestore.Options{Clock: clock.Boottime{}, Load: func(l *leasestore.Lease) { addresses = append(addresses, l.Prefix.Addr().String()) }})
	if err != nil {
		t.Fatal(err)
	}
	values, err := store.Values(addedPrefix)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		hosts = append(hosts, string(v.Value))
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	slices.Sort(addresses)
	return addresses, hosts
}

// countersOf are the metrics that only grow.
func countersOf(t *testing.T, s *Server) map[string]uint64 {
	t.Helper()
	text, err := s.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]uint64{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseUint(value, 10, 64); err == nil && strings.Contains(name, "_total") {
			out[name] = n
		}
	}
	return out
}

// TestAStoreThatIsWrittenOverIsMadeAnew, as by cp of a backup: what was acknowledged is in its place again, and nothing
// that was acknowledged later is missing; the backup is kept.
func TestAStoreThatIsWrittenOverIsMadeAnew(t *testing.T) {
	n := newNet(t)
	s, stop := n.serve(plain+"pool = 2001:db8:1::f0-2001:db8:1::ff\n", reservations(1))
	dir, state := n.control(s), filepath.Join(n.dir, "state")
	var leased []string
	lease := func(i int) {
		t.Helper()
		g := newGuest(i)
		n.sendFrame(g.frame(t, g.request()))
		leased = append(leased, n.next().msg.IANAs[0].Addresses[0].Addr.String())
	}
	lease(101)
	backup, err := os.ReadFile(filepath.Join(state, storeFile))
	if err != nil {
		t.Fatal(err)
	}
	lease(102)
	const line = "06:a0:f0:00:00:77,set:other,[2001:db8:1::77],vm-77,1h"
	if _, err := AddHost(t.Context(), dir, line); err != nil {
		t.Fatal(err)
	}
	over := func(back bool) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(state, storeFile), backup, 0o600); err != nil {
			t.Fatal(err)
		}
		for done := false; !done; {
			s.mu.Lock()
			done = s.straying.what != nil && s.straying.back == back
			s.mu.Unlock()
		}
	}
	before := countersOf(t, s)
	over(true)
	lease(103)
	for name, n := range countersOf(t, s) {
		if n < before[name] {
			t.Errorf("%s was %d and is %d", name, before[name], n)
		}
	}
	slices.Sort(leased)
	found, hosts := stored(t, state, storeFile)
	if want := "06:a0:f0:00:00:77,set:other,[2001:db8:1::77],vm-77,3600s"; !slices.Equal(found, leased) || !slices.Equal(hosts, []string{want}) {
		t.Errorf("stored: %v, want %v; %v", found, leased, hosts)
	}
	if found, hosts := stored(t, state, storeFile+".found-1"); len(found) != 1 || len(hosts) != 0 {
		t.Errorf("kept: %v, %v", found, hosts)
	}
	st, err := AskStatus(t.Context(), dir)
	if err != nil || len(st.Problems) != 1 || !strings.Contains(st.Problems[0].What, "it was written over while in use; all that this server had is written there again, the other file is kept as ") ||
		!strings.Contains(st.Problems[0].Try, "nothing is lost; to go on with the other file stop v6responder, rename ") {
		t.Errorf("problems: %+v, %v", st.Problems, err)
	}
	for i := 2; i <= leasestore.MaxFound; i++ {
		if err := os.WriteFile(fmt.Sprintf("%s/%s.found-%d", state, storeFile, i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	over(false)
	if _, err := AddHost(t.Context(), dir, "06:a0:f0:00:00:78,[2001:db8:1::78]"); err == nil {
		t.Error("added, and not stored")
	}
	st, err = AskStatus(t.Context(), dir)
	if err != nil || len(st.Problems) != 1 || !strings.Contains(st.Problems[0].What, "and it is not written anew: ") || !strings.Contains(st.Problems[0].Try, "leases.db.found-1 and so on away; the store goes on by itself") {
		t.Errorf("problems: %+v, %v", st.Problems, err)
	}
	if err := os.Remove(filepath.Join(state, storeFile+".found-5")); err != nil {
		t.Fatal(err)
	}
	if err := s.inLoop(t.Context(), func() { s.rebuilding.tried = s.rebuilding.tried.Add(-rebuildEvery) }); err != nil {
		t.Fatal(err)
	}
	g := newGuest(104)
	for address := (netip.Addr{}); !address.IsValid(); {
		n.sendFrame(g.frame(t, g.request())) // the guest repeats its message until it is stored
		if list, err := ListLeases(t.Context(), dir, []string{g.mac.String()}); err != nil {
			t.Fatal(err)
		} else if len(list.Leases) == 1 {
			address = netip.MustParseAddr(list.Leases[0].Address)
			leased = append(leased, address.String())
		}
	}
	if err := stop(ErrRestart); err != nil {
		t.Error(err)
	}
	slices.Sort(leased)
	if found, hosts := stored(t, state, storeFile); !slices.Equal(found, leased) || len(hosts) != 1 {
		t.Errorf("stored: %v, want %v; %v", found, leased, hosts)
	}
}
