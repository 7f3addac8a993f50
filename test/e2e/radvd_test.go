package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/roots"
)

// A router's advertisement by both programs: what stands in radvd's braces and in our section, beyond
// interface and prefix.
var advertisements = []struct {
	name, radvd, prefix, ours string
	root                      roots.Spec // where radvd is, roots.Peers if it is the zero Spec
}{
	{
		name:   "as a cloud's network has it",
		radvd:  "AdvManagedFlag on; AdvOtherConfigFlag on; AdvDefaultLifetime 1800;",
		prefix: "AdvAutonomous off; AdvValidLifetime 2592000; AdvPreferredLifetime 604800;",
		ours:   "router_lifetime = 30m",
	},
	{
		name: "with all that both have",
		radvd: `AdvManagedFlag on; AdvOtherConfigFlag off; AdvDefaultLifetime 3600; AdvDefaultPreference high; AdvLinkMTU 1400;
	MinRtrAdvInterval 30; MaxRtrAdvInterval 100;
	route 2001:db8:8000::/33 { AdvRoutePreference low; AdvRouteLifetime 1200; };
	route 64:ff9b:1::/48 { AdvRoutePreference low; AdvRouteLifetime 1200; };
	RDNSS 2001:db8:1::53 2001:db8:1::54 { AdvRDNSSLifetime 600; };
	DNSSL lab.example sub.lab.example { AdvDNSSLLifetime 600; };`,
		prefix: "AdvOnLink on; AdvAutonomous on; AdvValidLifetime 7200; AdvPreferredLifetime 3600;",
		ours: `other = no
router_lifetime = 1h
router_preference = high
mtu = 1400
ra_min_interval = 30
ra_max_interval = 100
routes = 2001:db8:8000::/33 64:ff9b:1::/48
route_preference = low
route_lifetime = 20m
dns = 2001:db8:1::53 2001:db8:1::54
search = lab.example sub.lab.example
ra_dns_lifetime = 10m
prefix_autonomous = yes
prefix_preferred_lifetime = 1h
prefix_valid_lifetime = 2h`,
	},
	{
		// The lifetimes are a multiple of eight seconds that both round alike (RFC 8781, section 4.1), and three
		// times the interval where nothing else is said.
		name: "with prefixes of NAT64s",
		radvd: `AdvManagedFlag on; AdvOtherConfigFlag on; AdvDefaultLifetime 1800; MinRtrAdvInterval 30; MaxRtrAdvInterval 80;
	nat64prefix 64:ff9b::/96 { AdvValidLifetime 240; };
	nat64prefix 2001:db8:64::/56 { AdvValidLifetime 240; };`,
		prefix: "AdvAutonomous off; AdvValidLifetime 2592000; AdvPreferredLifetime 604800;",
		ours:   "router_lifetime = 30m\nra_min_interval = 30\nra_max_interval = 80\npref64 = 64:ff9b::/96 2001:db8:64::/56",
		root:   roots.Advertisers,
	},
	{
		name:   "of a machine that is no default router",
		radvd:  "AdvManagedFlag off; AdvOtherConfigFlag on; AdvDefaultLifetime 0;",
		prefix: "AdvOnLink off; AdvAutonomous on; AdvValidLifetime infinity; AdvPreferredLifetime infinity;",
		ours:   "managed = no\nprefix_on_link = no\nprefix_autonomous = yes\nprefix_valid_lifetime = infinite\nprefix_preferred_lifetime = infinite",
	},
}

// told is what a program tells, and what Linux and rdisc6 take from it.
type told struct {
	First, Answer, Last []string // of advertisements: header and options, those in the order of their bytes
	Rdisc6              []string
	Default             []lab.Route
	OnLink              bool
	SLAAC               []netip.Prefix
	MTU                 string
}

// TestAdvertisementsAreAsRadvdSendsThem gives the same configuration to radvd and to v6responder: the
// advertisements are the same byte for byte, the order of options aside, and so is what becomes of them.
func TestAdvertisementsAreAsRadvdSendsThem(t *testing.T) {
	for _, tt := range advertisements {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			spec := tt.root
			if spec.Name == "" {
				spec = roots.Peers
			}
			in := root(t, spec) // which may have to be made first
			ctx := within(t, 2*time.Minute)
			radvd := tell(ctx, t, in, func(n *cloud.Net) *lab.Process {
				check(t, n.Router.WriteFile("/etc/radvd.conf", "interface eth0 { AdvSendAdvert on; "+tt.radvd+" prefix "+n.Prefix.String()+" { "+tt.prefix+" }; };\n"))
				p, err := n.Router.Start("radvd", "--nodaemon", "--logmethod=stderr", "--debug=1", "--username=root", "--pidfile=/run/radvd.pid")
				check(t, err)
				return p
			})
			ours := tell(ctx, t, in, func(n *cloud.Net) *lab.Process {
				configureResponder(t, n, tt.ours)
				p, err := n.Router.Start("v6responder", "serve")
				check(t, err)
				return p
			})
			// A router that stops is none any more for both. radvd then takes back the DNS servers too, which
			// do not end with the router: the next one, or a restart, names them again. It also goes on to
			// send its rank, which must be 00 now (RFC 4191, section 2.2).
			radvd.Last, ours.Last = radvd.Last[:1], ours.Last[:1]
			radvd.Last[0] = strings.Replace(radvd.Last[0], "flags 10001000", "flags 10000000", 1)
			if diff := cmp.Diff(radvd, ours, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("(-radvd +v6responder):\n%s", diff)
			}
			if got := ours.Last[0]; !strings.Contains(got, "lifetime 0 ") {
				t.Errorf("the last one: %s", got)
			}
		})
	}
}

// configureResponder writes a configuration without a hosts file.
func configureResponder(t *testing.T, n *cloud.Net, more string) {
	t.Helper()
	check(t, n.Router.WriteFile("/etc/v6responder/v6responder.conf",
		"[server]\n[network guests]\ninterface = eth0\nprefix = "+n.Prefix.String()+"\nassign = eui64\n"+more+"\n"))
}

// tell runs a program in a cloud of its own, whose machines have that root, asks it, stops it, and notes what it tells.
func tell(ctx context.Context, t *testing.T, in string, start func(*cloud.Net) *lab.Process) (out told) {
	t.Helper()
	c, err := cloud.New(ctx, cloud.Options{Root: in, Bin: programs(t), Networks: 1, Output: t.Output()})
	check(t, err)
	closeAfter(t, c)
	n := c.Nets[0]
	ready(ctx, t, c) // a guest without v6guest: what the kernel makes of it
	p := start(n)
	first, next := advertisement(ctx, t, n, 0)
	out.First = describe(first)
	out.atLinux(ctx, t, c, first)

	r, err := n.Neighbour.Run(ctx, "rdisc6", "-1", "-r", "20", "eth0")
	check(t, err)
	for line := range strings.Lines(r.Stdout) {
		line = strings.Join(strings.Fields(line), " ")
		if text, ok := strings.CutPrefix(line, "NAT64 prefix : "); ok { // behind the prefix rdisc6 shows what was in its memory
			line = "NAT64 prefix : " + netip.MustParsePrefix(text).Masked().String()
		}
		if line != "" && !strings.HasPrefix(line, "Soliciting ") && !strings.HasPrefix(line, "Timed out") { // as often as it asks
			out.Rdisc6 = append(out.Rdisc6, line)
		}
	}
	slices.Sort(out.Rdisc6)
	answer, next := advertisement(ctx, t, n, next)
	out.Answer = describe(answer)

	_, err = p.Stop(ctx)
	check(t, err)
	for last := answer; ; {
		if out.Last = describe(last); strings.Contains(out.Last[0], "lifetime 0 ") || slices.Contains(out.First, out.Last[0]) && strings.Contains(out.First[0], "lifetime 0 ") {
			return out
		}
		last, next = advertisement(ctx, t, n, next)
	}
}

// atLinux notes what the guest's kernel has of the advertisement, when it has all.
func (out *told) atLinux(ctx context.Context, t *testing.T, c *cloud.Cloud, first []byte) {
	t.Helper()
	n := c.Nets[0]
	slaac := slices.ContainsFunc(options(first), func(o []byte) bool { return o[0] == 3 && o[3]&0x40 != 0 })
	s, err := c.Guest.Await(ctx, "what the advertisement says", func(s lab.State) bool {
		return (len(s.Default()) > 0) == (binary.BigEndian.Uint16(first[6:]) > 0) && (len(s.Global("eth0")) > 0) == slaac &&
			!slices.ContainsFunc(s.Global("eth0"), func(a lab.Addr) bool { return !a.Usable() })
	})
	check(t, err)
	out.Default, out.OnLink = s.Default(), s.Route(n.Prefix, "eth0")
	for _, a := range s.Global("eth0") {
		out.SLAAC = append(out.SLAAC, a.Prefix)
	}
	out.MTU, err = c.Guest.ReadSysctl("net/ipv6/conf/eth0/mtu")
	check(t, err)
}

// advertisement is the next one from the router.
func advertisement(ctx context.Context, t *testing.T, n *cloud.Net, from int) (message []byte, next int) {
	t.Helper()
	p, next, err := n.Segment.Capture.Await(ctx, from, "an advertisement", func(p lab.Packet) bool {
		return p.ICMP == lab.RouterAdvertisement && p.Src == n.RouterLL
	})
	check(t, err)
	return p.Payload, next
}

// describe is an advertisement's header, and its options in the order of their bytes. Zeros at the end of
// a route are left out: an option of any length that holds the prefix's bits will do (RFC 4191, section
// 2.3), and radvd takes the longest, v6responder the shortest.
func describe(message []byte) []string {
	h := message[4:16]
	out := []string{fmt.Sprintf("hop limit %d, flags %08b, lifetime %d , reachable %d, retransmit %d",
		h[0], h[1], binary.BigEndian.Uint16(h[2:]), binary.BigEndian.Uint32(h[4:]), binary.BigEndian.Uint32(h[8:]))}
	list := options(message)
	slices.SortFunc(list, bytes.Compare)
	for _, o := range list {
		content := o[2:]
		if o[0] == 24 {
			content = bytes.TrimRight(content, "\x00")
		}
		out = append(out, fmt.Sprintf("option %d: %x", o[0], content))
	}
	return out
}

// options are those of an advertisement.
func options(message []byte) (list [][]byte) {
	for b := message[16:]; len(b) >= 8 && b[1] > 0; b = b[8*int(b[1]):] {
		list = append(list, b[:8*int(b[1])])
	}
	return list
}

// TestAPrefixThatIsReplacedIsDeprecated: a reload names another prefix. radvd forgets the old one, which
// guests then use for as long as they were told; v6responder says that it is preferred no more.
func TestAPrefixThatIsReplacedIsDeprecated(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	const more = "prefix_autonomous = yes\nrouter_lifetime = 30m\n"
	configureResponder(t, n, more)
	ready(ctx, t, c)
	p, err := n.Router.Start("v6responder", "serve")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "serving")
	check(t, err)
	s, err := c.Guest.Await(ctx, "an address of the prefix", func(s lab.State) bool { return len(s.Global("eth0")) == 1 })
	check(t, err)
	old := s.Global("eth0")[0].Prefix

	n.Prefix = netip.MustParsePrefix("2001:db8:77::/64")
	configureResponder(t, n, more)
	r, err := n.Router.Run(ctx, "v6responder", "reload")
	check(t, err)
	if r.Code != 0 {
		t.Fatalf("reload: %s%s", r.Stdout, r.Stderr)
	}
	_, err = c.Guest.Await(ctx, "the old address deprecated, and one of the new prefix", func(s lab.State) bool {
		list := s.Global("eth0")
		return slices.ContainsFunc(list, func(a lab.Addr) bool { return a.Prefix == old && a.Preferred == 0 && a.Valid > 0 }) &&
			slices.ContainsFunc(list, func(a lab.Addr) bool { return n.Prefix.Contains(a.Prefix.Addr()) && a.Preferred > 0 })
	})
	check(t, err)
}
