package hosts_test

import (
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/wire"
)

var (
	mac38  = hosts.MAC{0x06, 0xa0, 0xf0, 0, 0, 0x38}
	addr38 = netip.MustParseAddr("2001:db8::38")
)

// A host is what a Host says, in the open.
type host struct {
	MACs     []hosts.MAC
	DUIDs    []wire.DUID
	Addrs    []netip.Addr
	Name     string
	Lifetime time.Duration
	Tags     []string
	Ignore   bool
	Where    string
}

func openly(list []hosts.Host) (out []host) {
	for i := range list {
		h := &list[i]
		out = append(out, host{h.MACs(), h.DUIDs(), h.Addrs(), h.Name, h.Lifetime, h.Tags(), h.Ignore, h.Where()})
	}
	return out
}

func TestParse(t *testing.T) {
	one := func(change func(*host)) []host {
		h := host{MACs: []hosts.MAC{mac38}, Addrs: []netip.Addr{addr38}, Where: "f:1"}
		change(&h)
		return []host{h}
	}
	same := func(*host) {}
	for _, tt := range []struct {
		name, text string
		want       []host
	}{
		{
			"as the virtual router writes it", "id:00:03:00:01:06:a0:f0:00:00:38,[2001:db8::38],vm-name,infinite\n",
			one(func(h *host) { h.Name, h.Lifetime = "vm-name", wire.Infinite }),
		},
		{
			"a NIC that is not the default one", "id:00:03:00:01:06:a0:f0:00:00:38,set:nondefault6,[2001:db8::38],vm-name,infinite",
			one(func(h *host) { h.Name, h.Lifetime, h.Tags = "vm-name", wire.Infinite, []string{"nondefault6"} }),
		},
		{
			"as Neutron writes it", "06:a0:f0:00:00:38,tag:dhcpv6,host-2001-db8--38.openstacklocal.,[2001:db8::38],set:port-9",
			one(func(h *host) {
				h.Name, h.Tags = "host-2001-db8--38.openstacklocal", []string{"port-9"}
			}),
		},
		{"as libvirt writes it", "06:a0:f0:0:0:38,[2001:db8::38]", one(same)},
		{"in capitals, with blanks", "  06:A0:F0:00:00:38 , [2001:DB8::38] \r\n", one(same)},
		{"with the hardware type before the MAC", "01-06:a0:f0:00:00:38,[2001:db8::38]", one(same)},
		{"the DUID in plain hex", "id:0003000106a0f0000038,[2001:db8::38]", one(same)},
		{"the DUID with dashes", "id:00-03-00-01-06-A0-F0-00-00-38,[2001:db8::38]", one(same)},
		{"the fields in another order", "1h,[2001:db8::38],vm,id:00:03:00:01:06:a0:f0:00:00:38", one(func(h *host) { h.Name, h.Lifetime = "vm", time.Hour })},
		{"a lifetime in seconds", "06:a0:f0:00:00:38,[2001:db8::38],300", one(func(h *host) { h.Lifetime = 5 * time.Minute })},
		{"a lifetime under two minutes is two minutes", "06:a0:f0:00:00:38,[2001:db8::38],10s", one(func(h *host) { h.Lifetime = 2 * time.Minute })},
		{"a lifetime beyond 32 bits of seconds is infinite", "06:a0:f0:00:00:38,[2001:db8::38],9999999999w", one(func(h *host) { h.Lifetime = wire.Infinite })},
		{"a lifetime in weeks", "06:a0:f0:00:00:38,[2001:db8::38],2w", one(func(h *host) { h.Lifetime = 14 * 24 * time.Hour })},
		{"an IPv4 address beside", "06:a0:f0:00:00:38,10.1.1.38,[2001:db8::38]", one(same)},
		{"two addresses", "06:a0:f0:00:00:38,[2001:db8::38],[2001:db8:1::38]", one(func(h *host) {
			h.Addrs = append(h.Addrs, netip.MustParseAddr("2001:db8:1::38"))
		})},
		{"an interface identifier only", "06:a0:f0:00:00:38,[::38]", one(func(h *host) { h.Addrs = []netip.Addr{netip.MustParseAddr("::38")} })},
		{"a DUID that holds no MAC of use", "id:00:04:01:02:03,[2001:db8::38]", one(func(h *host) { h.MACs, h.DUIDs = nil, []wire.DUID{"\x00\x04\x01\x02\x03"} })},
		{"two NICs of one machine", "06:a0:f0:00:00:38,06:a0:f0:00:00:39,[2001:db8::38]", one(func(h *host) { h.MACs = append(h.MACs, hosts.MAC{6, 0xa0, 0xf0, 0, 0, 0x39}) })},
		{"ignore", "06:a0:f0:00:00:38,ignore", one(func(h *host) { h.Addrs, h.Ignore = nil, true })},
		{"tags alone", "06:a0:f0:00:00:38,set:nondefault6", one(func(h *host) { h.Addrs, h.Tags = nil, []string{"nondefault6"} })},
		{"a comment behind a blank", "06:a0:f0:00:00:38,[2001:db8::38] # vm", one(same)},
		{"comments and empty lines", "# all\n\n   \n\t# more\n", nil},
		{"a line for IPv4 only", "06:a0:f0:00:00:38,10.1.1.38,vm,infinite", nil},
		{"a client identifier of IPv4 that is no DUID", "id:frontdesk,10.1.1.38", nil},
		{"any client, for IPv4", "id:*,10.1.1.38", nil},
		{"a MAC with *, for IPv4", "06:a0:*:*:*:*,10.1.1.38", nil},
		{"a line that is for IPv4 clients", "06:a0:f0:00:00:38,tag:!dhcpv6,[2001:db8::38]", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, problems := hosts.Parse("f", tt.text)
			if len(problems) > 0 {
				t.Errorf("problems: %v", problems)
			}
			if diff := cmp.Diff(tt.want, openly(got), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBrokenLineIsNamedAndTheOthersCount(t *testing.T) {
	const good = "id:00:03:00:01:06:a0:f0:00:00:38,[2001:db8::38]\n"
	for _, tt := range []struct{ line, want string }{
		{"06:a0:f0:00:00:39,[2001:db8::39", "closing bracket is missing"},
		{"06:a0:f0:00:00:39,[2001:db8::zz]", "is no IPv6 address"},
		{"06:a0:f0:00:00:39,[10.1.1.1]", "is no IPv6 address"},
		{"06:a0:f0:00:00:39,[::ffff:10.1.1.1]", "is no IPv6 address"},
		{"06:a0:f0:00:00:39,[fe80::39]", "no global unicast address"},
		{"06:a0:f0:00:00:39,[ff02::39]", "no global unicast address"},
		{"06:a0:f0:00:00:39,[2001:db8::/126]", "a block of addresses"},
		{"06:a0:f0:00:00:39,2001:db8::39", "an IPv6 address stands in brackets: [2001:db8::39]"},
		{"06:a0:f0:00:00,[2001:db8::39]", "is no MAC"},
		{"00:03:00:01:06:a0:f0:00:00:39,[2001:db8::39]", "write id: before a DUID"},
		{"07:a0:f0:00:00:39,[2001:db8::39]", "group address"},
		{"06:a0:f0:*:*:*,[2001:db8::39]", "a MAC with * in it"},
		{"6-06:a0:f0:00:00:39,[2001:db8::39]", "only Ethernet"},
		{"id:*,[2001:db8::39]", "id:* means any client identifier"},
		{"id:00:03:zz,[2001:db8::39]", "not a DUID"},
		{"vm-39,[2001:db8::39]", "for whom"},
		{"06:a0:f0:00:00:39,[2001:db8::39],tag:red", "tag:red"},
		{"06:a0:f0:00:00:39,[2001:db8::39],vm 39", "neither a MAC, an address in brackets, a lifetime nor a name"},
		{"06:a0:f0:00:00:39,[2001:db8::39],\x1b[31m", "neither a MAC"},
		{"dhcp-host=06:a0:f0:00:00:39,[2001:db8::39]", "leave out dhcp-host="},
		{strings.Repeat("x", 5000), "longer than 4096"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			got, problems := hosts.Parse("/etc/hosts6", good+tt.line+"\n"+good)
			if len(got) != 2 {
				t.Errorf("%d good lines, want 2", len(got))
			}
			if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), "/etc/hosts6:2: ") || !strings.Contains(problems[0].String(), tt.want) {
				t.Errorf("problems %v, want one of line 2 with %q", problems, tt.want)
			}
		})
	}
}

func TestProblemsAreBounded(t *testing.T) {
	_, problems := hosts.Parse("f", strings.Repeat("nonsense\n", 10_000))
	if len(problems) != hosts.MaxProblems+1 || !strings.Contains(problems[hosts.MaxProblems].String(), "9900 more bad lines") {
		t.Errorf("%d problems, last %v", len(problems), problems[len(problems)-1])
	}
}

func TestIndex(t *testing.T) {
	list, problems := hosts.Parse("f", `06:a0:f0:00:00:01,[2001:db8:1::1],first
06:a0:f0:00:00:01,[2001:db8:2::1],second
06:a0:f0:00:00:02,[2001:db8:1::2],old
06:a0:f0:00:00:03,[2001:db8:1::2],new
id:00:04:aa:bb,[2001:db8:1::4]
06:a0:f0:00:00:05,[::5]
`)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	x := hosts.Build(list)
	var names []string
	for h := range x.ByMAC(hosts.MAC{6, 0xa0, 0xf0, 0, 0, 1}) {
		names = append(names, h.Name)
	}
	if diff := cmp.Diff([]string{"second", "first"}, names); diff != "" {
		t.Errorf("lines of one MAC (-want +got):\n%s", diff)
	}
	for addr, want := range map[string]string{
		"2001:db8:1::2": "f:4", "2001:db8:1::4": "f:5", "2001:db8:9::5": "f:6", "2001:db8:1::9": "",
	} {
		got := ""
		if h := x.Owner(netip.MustParseAddr(addr)); h != nil {
			got = h.Where()
		}
		if got != want {
			t.Errorf("%s is reserved by %q, want %q", addr, got, want)
		}
	}
	for h := range x.ByDUID("\x00\x04\xaa\xbb") {
		if h.Line != 5 {
			t.Errorf("DUID in line %d, want 5", h.Line)
		}
	}
	var none *hosts.Index
	if none.Len() != 0 || none.Owner(addr38) != nil {
		t.Error("the nil index has hosts")
	}
	for range none.ByMAC(mac38) {
		t.Error("the nil index has a MAC")
	}
}

func TestLoadTellsOfLinesThatTakeFromEachOther(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hosts")
	text := `06:a0:f0:00:00:01,[2001:db8:1::1]
06:a0:f0:00:00:02,[2001:db8:1::1]
06:a0:f0:00:00:03,[2001:db8:1::3]
06:a0:f0:00:00:03,[2001:db8:1::33]
06:a0:f0:00:00:03,[2001:db8:2::3]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range hosts.Load(file).Problems {
		got = append(got, strings.TrimPrefix(p.String(), file))
	}
	want := []string{
		":2: [2001:db8:1::1] stands in line " + file + ":1 too; this line, the later one, holds",
		":4: 06:a0:f0:00:00:03 stands in line " + file + ":3 too; this line, the later one, holds",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// million writes a hosts file of n lines.
func million(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "id:00:03:00:01:06:a0:%02x:%02x:%02x:%02x,[2001:db8::1:%x:%x],vm-%d,infinite\n",
			byte(i>>24), byte(i>>16), byte(i>>8), byte(i), i>>16, i&0xffff, i)
	}
	return b.String()
}

// TestManyDoubtfulLinesAreCountedAsDoubtful, beside bad ones: all of them are in force.
func TestManyDoubtfulLinesAreCountedAsDoubtful(t *testing.T) {
	list, problems := hosts.Parse("f", "bad\n"+strings.Repeat("06:a0:f0:00:00:38,[2001:db8::]\n", hosts.MaxProblems+7))
	var tally hosts.Tally
	for _, p := range problems {
		tally.Add(p)
	}
	last := problems[len(problems)-1]
	if len(list) != hosts.MaxProblems+7 || tally != (hosts.Tally{LeftOut: 1}) || len(problems) != hosts.MaxProblems+2 || last.String() != "f: 7 more doubtful lines" {
		t.Errorf("%d lines, %+v, last of %d problems: %v", len(list), tally, len(problems), last)
	}
}

func TestManyLinesAreIndexed(t *testing.T) {
	list, problems := hosts.Parse("f", million(10_000))
	if x := hosts.Build(list); len(problems) != 0 || x.Len() != 10_000 {
		t.Fatalf("%d hosts, problems %v", x.Len(), problems)
	}
}

// BenchmarkMillion parses and indexes a million lines, and tells what they occupy.
func BenchmarkMillion(b *testing.B) {
	text := million(1_000_000)
	b.SetBytes(int64(len(text)))
	var before, after runtime.MemStats
	for b.Loop() {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		list, problems := hosts.Parse("f", text)
		x := hosts.Build(list)
		b.StopTimer()
		if len(problems) > 0 || x.Len() != 1_000_000 {
			b.Fatalf("%d hosts, problems %v", x.Len(), problems)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1_000_000, "heap-B/line")
		runtime.KeepAlive(list)
		runtime.KeepAlive(x)
		b.StartTimer()
	}
}

func BenchmarkParse(b *testing.B) {
	text := million(1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		hosts.Parse("f", text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("id:00:03:00:01:06:a0:f0:00:00:38,[2001:db8::38],vm-name,infinite\n")
	f.Add("06:a0:f0:00:00:38,tag:dhcpv6,host.,[2001:db8::38],set:port-9 # x\n[::5],6-1:2:3:4:5:6,,ignore")
	f.Add("id:*,id:\"\\000\",net:,10.0.0.1,[,],5w,w")
	f.Add("6:1:2:3:4:5,10m.,[2001:db8::38]\n6:1:2:3:4:6,infinite.,ignore\n6:1:2:3:4:7,ignore.,5\n6:1:2:3:4:8,192.0.2.1.,7w")
	f.Fuzz(func(t *testing.T, text string) {
		least, before, after := uint64(math.MaxUint64), runtime.MemStats{}, runtime.MemStats{}
		var list []hosts.Host
		for range 3 {
			runtime.ReadMemStats(&before)
			list, _ = hosts.Parse("f", text)
			runtime.ReadMemStats(&after)
			least = min(least, after.TotalAlloc-before.TotalAlloc)
		}
		// A line takes a Host, and what few have beside; a bad line its message.
		if limit := uint64(32<<10 + 2000*len(text)); least > limit {
			t.Errorf("%d bytes in, %d bytes of heap, limit %d", len(text), least, limit)
		}
		x := hosts.Build(list)
		for i := range list {
			h := &list[i]
			if len(h.MACs())+len(h.DUIDs()) == 0 {
				t.Errorf("line %d is for nobody", h.Line)
			}
			if s := h.Spelt(); len(s) <= 4096 {
				again, problems := hosts.Parse("f", s+"\n")
				if len(again) != 1 || again[0].Spelt() != s || again[0].Key() != h.Key() || again[0].Lifetime != h.Lifetime || again[0].Name != h.Name || again[0].Ignore != h.Ignore {
					t.Errorf("line %d, spelt %q: %+v, %v", h.Line, s, again, problems)
				}
			}
			for _, a := range h.Addrs() {
				if !a.Is6() || a.IsMulticast() || x.Owner(a) == nil {
					t.Errorf("line %d: address %s", h.Line, a)
				}
			}
		}
	})
}
