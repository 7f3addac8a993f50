package responder

import (
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
)

// TestAddedHostsHoldAtOnceAndOverARestart, and the hosts file wins over them, which is said.
func TestAddedHostsHoldAtOnceAndOverARestart(t *testing.T) {
	n := newNet(t)
	file := "06:a0:f0:00:00:02,[2001:db8:1::2]\n"
	s, stop := n.serve(plain, file)
	dir := n.control(s)
	gets := func(i int) string {
		t.Helper()
		g := newGuest(i)
		n.sendFrame(g.frame(t, g.request()))
		if a := n.next().msg.IANAs[0].Addresses; len(a) > 0 {
			return a[0].Addr.String()
		}
		return "nothing"
	}
	want := func(i int, address string) {
		t.Helper()
		if got := gets(i); got != address {
			t.Errorf("guest %d gets %s, want %s", i, got, address)
		}
	}
	add := func(line string) HostLine {
		t.Helper()
		h, err := AddHost(t.Context(), dir, line)
		if err != nil {
			t.Error(err)
		}
		return h
	}
	want(1, "nothing")
	if h := add("06:a0:f0:00:00:01,[2001:db8:1::1],vm-1,infinite"); h.Lifetime != math.MaxUint32 {
		t.Errorf("for ever: %+v", h)
	}
	want(1, "2001:db8:1::1")
	add("06:a0:f0:00:00:01,[2001:db8:1::11],vm-1")
	want(1, "2001:db8:1::11")
	if h := add("id:00:03:00:01:06:a0:f0:00:00:02,[2001:db8:1::22]"); len(h.Warnings) != 1 || !strings.Contains(h.Warnings[0], "which wins") {
		t.Errorf("beside the file: %+v", h)
	}
	want(2, "2001:db8:1::2")
	for line, code := range map[string]int{
		"06:a0:f0:00:00:03,[2001:db8:1::11]": fault.ExitFailure, // guest 1's
		"nonsense":                           fault.ExitUsage,
		"06:a0:f0:00:00:03,vm-3":             fault.ExitUsage, // says nothing
		"06:a0:f0:00:00:03,192.0.2.1":        fault.ExitUsage,
		"06:a0:f0:00:00:03,[2001:db8:1::3]\n06:a0:f0:00:00:04,[2001:db8:1::4]": fault.ExitUsage,
	} {
		if _, err := AddHost(t.Context(), dir, line); fault.ExitCode(err) != code {
			t.Errorf("%q: %v", line, err)
		}
	}
	if err := stop(ErrRestart); err != nil {
		t.Fatal(err)
	}
	s, _ = n.serve(plain, file)
	dir = n.control(s)
	want(1, "2001:db8:1::11")
	want(2, "2001:db8:1::2")
	if !strings.Contains(n.log.String(), "hosts add: 06:a0:f0:00:00:02: 06:a0:f0:00:00:02 has an address in 2001:db8:1::/64") {
		t.Error("the log does not say that the file wins")
	}
	list, err := ListHosts(t.Context(), dir, []string{"06:A0:f0:00:00:02", "2001:db8:1:0::"})
	if err != nil || len(list) != 2 || list[1].Where != "hosts add" || len(list[1].Warnings) != 1 || !strings.HasSuffix(list[0].Where, "hosts:1") {
		t.Errorf("list: %+v, %v", list, err)
	}
	for _, client := range []string{"06:a0:f0:00:00:02", "2001:db8:1::11"} {
		if _, err := DropHost(t.Context(), dir, client); err != nil {
			t.Error(err)
		}
	}
	want(1, "nothing")
	want(2, "2001:db8:1::2")
	for _, client := range []string{"06:a0:f0:00:00:02", "06:a0:f0:00:00:01"} {
		if _, err := DropHost(t.Context(), dir, client); err == nil {
			t.Errorf("%s is taken out twice", client)
		}
	}
}

// TestAnAddedHostIsHeldAgainstThoseOfItsNetwork: an interface identifier is an address of every served network, and of
// no other.
func TestAnAddedHostIsHeldAgainstThoseOfItsNetwork(t *testing.T) {
	n := newNet(t)
	s, _ := n.serve(plain, "06:a0:f0:00:00:01,[::1]\n06:a0:f0:00:00:02,[2001:db8:1::2]\n")
	dir := n.control(s)
	for _, tt := range []struct{ line, refused, warning string }{
		{"06:a0:f0:00:00:0a,[2001:db8:1::1]", "", "[2001:db8:1::1] is reserved in "},
		{"06:a0:f0:00:00:0b,[2001:db8:99::1]", "", "[2001:db8:99::1] is in no network's prefix"},
		{"06:a0:f0:00:00:0c,[::2]", "", "[2001:db8:1::2] is reserved in "},
		{"06:a0:f0:00:00:0d,[::d]", "", ""},
		{"06:a0:f0:00:00:0e,[2001:db8:99::d]", "", "[2001:db8:99::d] is in no network's prefix"},
		{"06:a0:f0:00:00:0f,[2001:db8:1::d]", "[2001:db8:1::d] is reserved for 06:a0:f0:00:00:0d already", ""},
		{"06:a0:f0:00:00:10,[2001:db8:1::10]", "", ""},
		{"06:a0:f0:00:00:11,[::10]", "[2001:db8:1::10] is reserved for 06:a0:f0:00:00:10 already", ""},
		{"06:a0:f0:00:00:12,[2001:db8:99::d]", "[2001:db8:99::d] is reserved for 06:a0:f0:00:00:0e already", ""},
		{"06:a0:f0:00:00:13,[::d]", "is reserved for 06:a0:f0:00:00:0d already", ""},
	} {
		h, err := AddHost(t.Context(), dir, tt.line)
		if got := strings.Join(h.Warnings, "; "); !strings.HasPrefix(got, tt.warning) || tt.warning == "" && got != "" || len(h.Warnings) > 1 {
			t.Errorf("%s: warnings %q", tt.line, h.Warnings)
		}
		if tt.refused == "" && err != nil || tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)) {
			t.Errorf("%s: %v", tt.line, err)
		}
	}
}

// added is the n-th of hosts that are added.
func added(t testing.TB, n int) HostPut {
	t.Helper()
	h, err := parseAdded(fmt.Sprintf("%s,[2001:db8:1::%x:%x]", newGuest(n).mac, n>>16+1, n&0xffff))
	if err != nil {
		t.Fatal(err)
	}
	return HostPut{h}
}

// TestOneMoreHostCostsTheSameWhateverTheirNumber: it does nothing for those that are there, and keeps no more memory
// than it needs.
func TestOneMoreHostCostsTheSameWhateverTheirNumber(t *testing.T) {
	cost := func(n int) (allocs float64) {
		b := newBench(t, pooled, "")
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range n {
			b.e.Step(0, added(t, i))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / int64(n); each > 2048 {
			t.Errorf("each of %d hosts takes %d bytes", n, each)
		}
		more := added(t, n)
		allocs = testing.AllocsPerRun(100, func() { b.e.Step(0, more) })
		runtime.KeepAlive(b)
		return allocs
	}
	few, many := cost(100), cost(50_000)
	if few > 10 || many > few {
		t.Errorf("one more host: %v allocations beside a hundred, %v beside 50,000", few, many)
	}
}

// TestAListOfManyAddedHostsHoldsUpTheServerForFewAtATime: guests are answered meanwhile, and what is taken out meanwhile
// is not listed any more.
func TestAListOfManyAddedHostsHoldsUpTheServerForFewAtATime(t *testing.T) {
	c, err := ParseConfig("conf", []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(Options{Config: c, Log: slog.New(slog.DiscardHandler), Clock: clock.Boottime{}})
	const parts = 5
	for i := range parts * hostsChunk {
		s.step(added(t, i))
	}
	last := s.engine.hosts.Added.All()[0]
	for _, h := range s.engine.hosts.Added.All() {
		if h.Key() > last.Key() {
			last = h
		}
	}
	turns, stop, ended := 0, make(chan struct{}), make(chan struct{})
	go func() { // the loop
		defer close(ended)
		for {
			select {
			case ev := <-s.in:
				ev.(func())()
				if turns++; turns == parts {
					s.step(HostDropped{last.Key()})
				}
			case <-stop:
				return
			}
		}
	}()
	list, err := s.Hosts(t.Context(), nil)
	close(stop)
	<-ended
	if err != nil || len(list) != parts*hostsChunk-1 || turns != 1+parts {
		t.Errorf("%d hosts of %d in %d turns, %v", len(list), parts*hostsChunk, turns, err)
	}
	if !slices.IsSortedFunc(list, func(a, b HostLine) int { return strings.Compare(a.Clients[0], b.Clients[0]) }) {
		t.Error("they are in no order")
	}
}

// BenchmarkHostPut is one more host beside a hundred thousand that were added.
func BenchmarkHostPut(b *testing.B) {
	bench := newBench(b, pooled, "")
	for i := range 100_000 {
		bench.e.Step(0, added(b, i))
	}
	more := added(b, 100_001)
	b.ReportAllocs()
	for b.Loop() {
		bench.e.Step(0, more)
	}
}

// TestAddressesThatAreNoGuestsAreWarnedOf where they are reserved: in the log when a file is read, by `hosts add`
// at once, and when the router gets such an address later.
func TestAddressesThatAreNoGuestsAreWarnedOf(t *testing.T) {
	n := newNet(t)
	n.ip("addr", "add", "2001:db8:1::1/64", "dev", "eth1", "nodad")
	s, stop := n.serve(plain+"pool = 2001:db8:1::f0-2001:db8:1::ff\n", `06:a0:f0:00:00:02,[2001:db8:1::2]
06:a0:f0:00:00:03,[2001:db8:1::1]
06:a0:f0:00:00:04,[2001:db8:1::53]
06:a0:f0:00:00:05,[2001:db8:1::]
`)
	late := netip.MustParseAddr("2001:db8:1::2")
	n.ip("addr", "add", late.String()+"/64", "dev", "eth1", "nodad")
	for known := false; !known; { // until the kernel has told of it
		if err := s.inLoop(t.Context(), func() { known = s.engine.self[late] }); err != nil {
			t.Fatal(err)
		}
	}
	g, dir := newGuest(101), n.control(s)
	n.sendFrame(g.frame(t, g.request()))
	leased := n.next().msg.IANAs[0].Addresses[0].Addr
	for address, want := range map[string]string{
		"2001:db8:1::1": "[2001:db8:1::1] is reserved in " + filepath.Join(n.dir, "hosts:2") + ", which wins; [2001:db8:1::1] is this router's own",
		"2001:db8:1::":  "[2001:db8:1::] is reserved in " + filepath.Join(n.dir, "hosts:4") + ", which wins; [2001:db8:1::] has an interface identifier that RFC 5453",
		"2001:db8:9::9": "[2001:db8:9::9] is in no network's prefix: write an address of one that is served, or a [network NAME]",
		leased.String(): "[" + leased.String() + "] is leased to 06:a0:f0:00:00:65, which keeps it until it renews next",
		"2001:db8:1::9": "",
		"::a":           "",
	} {
		h, err := AddHost(t.Context(), dir, "06:a0:f0:00:00:07,["+address+"]")
		if got := strings.Join(h.Warnings, "; "); err != nil || !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: %v, warnings %s", address, err, got)
		}
	}
	if err := stop(ErrRestart); err != nil {
		t.Error(err)
	}
	log := n.log.String()
	for _, want := range []string{
		"hosts:2: [2001:db8:1::1] is this router's own and never given: write another address",
		"hosts:3: [2001:db8:1::53] is a DNS or time server of network guests",
		"hosts:4: [2001:db8:1::] has an interface identifier that RFC 5453 reserves",
		"hosts:1: [2001:db8:1::2] is this router's own",
	} {
		if strings.Count(log, `msg="hosts: doubtful line" problem="`+filepath.Join(n.dir, want)) != 1 {
			t.Errorf("the log has not once: %s", want)
		}
	}
	if n := strings.Count(log, "hosts:1: "); n != 1 {
		t.Errorf("of a line that was right at first %d lines tell", n)
	}
}
