package responder

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/sender"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/responder/pool"
	"github.com/v6guest/v6guest/pkg/wire"
)

// designExample is the smallest configuration of the design, with what it names as no default.
const designExample = `; /etc/v6responder/v6responder.conf
[server]
hosts = /etc/v6responder/hosts        ; dnsmasq dhcp-hostsfile syntax; a file or a folder
identity = duid                       ; duid | frame
verify_frame = yes
duid =                                ; else DUID-LL of the first network's NIC, kept
trusted_relays =
[network guests]
interface = eth1
prefix = 2001:db8:1::/64              ; other than /64: an error, unless allow_any_prefix = yes
assign = hosts                        ; hosts | eui64
pool = 2001:db8:1::1000-2001:db8:1::1fff   ; not a default: without a pool only reserved guests are answered
dns = 2001:db8:1::53                  ; not a default; as are search, ntp, lifetimes, further RA values
send_ra = yes                         ; M=1, O=1, prefix on-link and not autonomous
router_lifetime = 0                   ; e.g. 30m where this machine is the gateway
`

func TestSmallestConfiguration(t *testing.T) {
	c, err := ParseConfig("f", []byte(designExample))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Hosts: "/etc/v6responder/hosts", Identity: IdentityDUID,
		Networks: []NetworkConfig{{
			Network: Network{
				Name: "guests", Interface: "eth1", Prefix: netip.MustParsePrefix("2001:db8:1::/64"), Assign: AssignHosts,
				Parameters: Parameters{DNS: []netip.Addr{netip.MustParseAddr("2001:db8:1::53")}}, Preferred: 12 * time.Hour, Valid: 24 * time.Hour,
				Pool: Pool{
					Ranges: pool.Ranges{{First: netip.MustParseAddr("2001:db8:1::1000"), Last: netip.MustParseAddr("2001:db8:1::1fff")}},
					Grace:  time.Hour, Declined: 24 * time.Hour, PerMAC: 8, Rate: 200,
				},
				Delegation: Delegation{Length: 64, Grace: time.Hour, PerMAC: 4},
			},
			RA: RAConfig{
				Send: true, Managed: true, Other: true, DNS: true, RouterPreference: "medium",
				MinInterval: 200 * time.Second, MaxInterval: 600 * time.Second,
				PrefixPreferred: 7 * 24 * time.Hour, PrefixValid: 30 * 24 * time.Hour, OnLink: true, RoutePreference: "medium",
			},
		}},
	}
	opts := cmp.Options{
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.AllowUnexported(NetworkConfig{}), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	}
	if diff := cmp.Diff(want, c, opts); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if _, err := want.Networks[0].sender().Check(); err != nil {
		t.Errorf("the sender does not take it: %v", err)
	}
}

func TestEveryKeyOfAdvertisementsReachesTheSender(t *testing.T) {
	c, err := ParseConfig("f", []byte(SmallestConfig+`dns = 2001:db8:1::53
search = example.org
managed = no
other = no
router_lifetime = 30m
router_preference = high
mtu = 1400
ra_max_interval = 100
ra_min_interval = 50
prefix_preferred_lifetime = 1h
prefix_valid_lifetime = 2h
prefix_on_link = no
prefix_autonomous = yes
ra_dns_lifetime = 10m
routes = 2001:db8:8000::/33 fd00::/48
route_preference = low
route_lifetime = infinite
pref64 = 64:ff9b::/96
`))
	if err != nil {
		t.Fatal(err)
	}
	prefix := netip.MustParsePrefix
	want := sender.DefaultConfig()
	want.MaxInterval, want.MinInterval = 100*time.Second, 50*time.Second
	want.RouterLifetime, want.Preference, want.MTU = 30*time.Minute, ra.High, 1400
	want.Prefixes = []ra.Prefix{{Prefix: prefix("2001:db8:1::/64"), Autonomous: true, Preferred: time.Hour, Valid: 2 * time.Hour}}
	want.Routes = []ra.Route{
		{Prefix: prefix("2001:db8:8000::/33"), Preference: ra.Low, Lifetime: wire.Infinite},
		{Prefix: prefix("fd00::/48"), Preference: ra.Low, Lifetime: wire.Infinite},
	}
	want.RDNSS = []ra.RDNSS{{Lifetime: 10 * time.Minute, Servers: []netip.Addr{netip.MustParseAddr("2001:db8:1::53")}}}
	want.DNSSL = []ra.DNSSL{{Lifetime: 10 * time.Minute, Domains: []string{"example.org"}}}
	want.PREF64 = []ra.PREF64{{Prefix: prefix("64:ff9b::/96")}}
	opts := cmp.Options{
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	}
	got := c.Networks[0].sender()
	if diff := cmp.Diff(want, got, opts); diff != "" {
		t.Errorf("configuration of the sender (-want +got):\n%s", diff)
	}
	if _, err := got.Check(); err != nil {
		t.Errorf("the sender does not take it: %v", err)
	}
}

// TestThePrefixIsAdvertisedWhereDHCPv6AssignsItsAddresses, R-8028-01, unless advertisements are switched off.
func TestThePrefixIsAdvertisedWhereDHCPv6AssignsItsAddresses(t *testing.T) {
	c, err := ParseConfig("f", []byte(SmallestConfig))
	if err != nil {
		t.Fatal(err)
	}
	got := c.Networks[0].sender()
	if p := got.Prefixes; !c.Networks[0].RA.Send || !got.Managed || len(p) != 1 || p[0].Prefix != c.Networks[0].Prefix || !p[0].OnLink || p[0].Autonomous || p[0].Valid == 0 {
		t.Errorf("%+v", got)
	}
}

func TestConfigurationMistakes(t *testing.T) {
	const network = "[network guests]\ninterface = eth1\nprefix = 2001:db8:1::/64\nassign = eui64\n"
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", network + "perfix = x", `f:5: unknown key "perfix"; did you mean "prefix"?`},
		{"metrics without a port", "[server]\nmetrics = ::1\n" + network, `f:2: metrics: "::1" is no address with a port`},
		{"a route with host bits", network + "routes = 2001:db8::1/48", "f:5: routes: 2001:db8::1/48 has bits set behind its length; write 2001:db8::/48"},
		{"a route twice", network + "routes = fd00::/48 fd00::/48", "f:5: routes: fd00::/48 stands twice"},
		{"a route of IPv4", network + "routes = 192.0.2.0/24", `f:5: routes: "192.0.2.0/24" is no IPv6 prefix`},
		{"pref64 of a wrong length", network + "pref64 = 64:ff9b::/97", "f:5: pref64: 64:ff9b::/97: the prefix of a NAT64 has 32, 40, 48, 56, 64 or 96 bits"},
		{"pool that is none", network + "pool = x", `f:5: pool: "x" is no IPv6 address; write a range as`},
		{"pool outside the prefix", network + "pool = 2001:db8:2::1-2001:db8:2::ffff", "f:5: 2001:db8:2::1-2001:db8:2::ffff is not in the prefix 2001:db8:1::/64"},
		{"pool backwards", network + "pool = 2001:db8:1::2-2001:db8:1::1", "write the lower address first"},
		{"pool twice", network + "pool = 2001:db8:1::1-2001:db8:1::9 2001:db8:1::9-2001:db8:1::f", "f:5: pool: 2001:db8:1::9-2001:db8:1::f overlaps 2001:db8:1::1-2001:db8:1::9"},
		{"pool beside assign = eui64", network + "pool = 2001:db8:1::1000-2001:db8:1::1fff", "f:5: with assign = eui64 every MAC has an address already"},
		{"pool_per_mac", network + "pool_per_mac = many", `f:5: pool_per_mac: "many" is no number`},
		{"unknown section", "[srever]\n" + network, "f:1: unknown section [srever]; there are [server], [network NAME] and [class TAG]"},
		{"a key of the other section", network + "[server]\nprefix = 2001:db8::/64", `f:6: "prefix" does not belong into a [server] section; write it into [network NAME]`},
		{"a key before any section", "hosts = /x\n" + network, "f:1: a key before the first section"},
		{"doubled key", network + "dns = ::1:1\ndns = 2001:db8::1", `f:6: "dns" is set twice; first in line 5`},
		{"doubled section", network + network, "f:5: section [network guests] stands twice; first in line 1"},
		{"no network", "[server]\nhosts = /x", "no network is configured"},
		{"network without name", "[network]\n", "f:1: a network has a name of one word"},
		{"network with two names", "[network a b]\n", "f:1: a network has a name of one word"},
		{"no prefix", "[network guests]\ninterface = eth1", "f:1: network guests has no prefix"},
		{"no interface", "[network guests]\nprefix = 2001:db8:1::/64", "f:1: network guests has no interface"},
		{"not /64", "[network guests]\ninterface = eth1\nprefix = 2001:db8:1::/56", "f:3: 2001:db8:1::/56 is no /64; if it shall be so, write allow_any_prefix = yes"},
		{"not /64 with eui64", strings.Replace(network, "/64", "/56\nallow_any_prefix = yes", 1), "f:3: 2001:db8:1::/56 is no /64, of which alone"},
		{"host bits", "[network guests]\ninterface = eth1\nprefix = 2001:db8:1::1/64", "f:3: prefix: 2001:db8:1::1/64 has bits set behind its length; write 2001:db8:1::/64"},
		{"IPv4 prefix", "[network guests]\ninterface = eth1\nprefix = 10.0.0.0/8", "is no IPv6 prefix"},
		{"link-local prefix", "[network guests]\ninterface = eth1\nprefix = fe80::/64", "is no prefix of global or unique local"},
		{"interface twice", network + "[network more]\ninterface = eth1\nprefix = 2001:db8:2::/64\nassign = eui64", "f:6: eth1 is the interface of network guests already"},
		{"prefix twice", network + "[network more]\ninterface = eth2\nprefix = 2001:db8:1::/64\nassign = eui64", "f:7: 2001:db8:1::/64 overlaps 2001:db8:1::/64 of network guests"},
		{"bad choice", network + "[server]\nidentity = mac", `f:6: identity: "mac" is not one of: duid, frame`},
		{"bad address", network + "dns = 10.0.0.1", `f:5: dns: "10.0.0.1" is no IPv6 address of a host`},
		{"multicast address", network + "dns = ff02::1", `is no IPv6 address of a host`},
		{"time server that is neither address nor name", network + "ntp = 192.0.2.1:123", `f:5: ntp: "192.0.2.1:123" is no IPv6 address of a host`},
		{"time server of IPv4", network + "ntp = 192.0.2.1", `f:5: ntp: "192.0.2.1" is no IPv6 address of a host`},
		{"option that the server writes", network + "option.3 = 00", "f:5: option.3: the server writes this option itself where it has to"},
		{"option that has a key", network + "option.23 = 00", "f:5: option.23: the server writes this option itself; write dns ="},
		{"option without a code", network + "option.x = 00", "f:5: option.x: write the option's code in place of NN: option.59"},
		{"option 0", network + "option.0 = 00", "f:5: option.0: write the option's code in place of NN"},
		{"option with a leading zero", network + "option.059 = 00", "f:5: option.059: write the option's code in place of NN"},
		{"option beyond all", network + "option.65536 = 00", "f:5: option.65536: write the option's code in place of NN"},
		{"option of the documentation", network + "option.NN = 00", "f:5: option.NN: write the option's code in place of NN"},
		{"option that is no hex", network + "option.59 = http://x", `f:5: option.59: "http://x": write the option's bytes in hex, such as 20 01 0d b8`},
		{"option without bytes", network + "option.59 =", `f:5: option.59: "": write the option's bytes in hex`},
		{"long option", network + "option.59 = " + strings.Repeat("00", 1025), "f:5: option.59: 1025 bytes; an option has at most 1024 here"},
		{"long options", network + "option.59 = " + strings.Repeat("00", 1024) + "\noption.60 = " + strings.Repeat("00", 1024), "f:1: dns, search, ntp and option.NN of network guests take 2056 bytes; at most 2048 fit into an answer here"},
		{"long options of a class", network + "[class x]\noption.59 = " + strings.Repeat("00", 1024) + "\noption.60 = " + strings.Repeat("00", 1024), "f:1: with class x, dns, search, ntp and option.NN of network guests take 2056 bytes"},
		{"option of the server", network + "[server]\noption.59 = 00", `f:6: "option.59" does not belong into a [server] section; write it into [network NAME] or [class TAG]`},
		{"class without a tag", network + "[class]\n", "f:5: a class has a tag of one word"},
		{"class of no network", network + "[class x gests]\ndns = ::1:1", "f:5: class x: there is no network gests"},
		{"class with a network's key", network + "[class x]\npool = ::1", `f:6: "pool" does not belong into a [class] section; write it into [network NAME]`},
		{"class with a mistake", network + "[class x]\nntp = ff02::1%eth0\noption.1 = 00", "f:6: ntp: \"ff02::1%eth0\" is no IPv6 address of a host\nf:7: option.1: the server writes"},
		{"class with a lifetime that is none", network + "[class x]\nvalid_lifetime =", "f:6: valid_lifetime: a value is missing; without the key the network's holds"},
		{"class with preferred above valid", network + "[class x]\npreferred_lifetime = 2h\nvalid_lifetime = 1h", "f:6: preferred_lifetime is longer than valid_lifetime"},
		{"pd_pool into which nothing fits", network + "pd_pool = 2001:db8:8000::/56\npd_length = 48", "f:5: no /48 fits into 2001:db8:8000::/56; write a shorter prefix here, or a longer pd_length"},
		{"pd_pool over a network", network + "pd_pool = 2001:db8::/32", "f:5: 2001:db8::/32 overlaps 2001:db8:1::/64, the prefix of network guests; write prefixes beside it"},
		{"pd_pool twice", network + "pd_pool = 2001:db8:8000::/40 2001:db8:8000::/48", "f:5: 2001:db8:8000::/48 overlaps 2001:db8:8000::/40"},
		{
			"pd_pool of two networks", network + "pd_pool = 2001:db8:8000::/40\n[network more]\ninterface = eth2\nprefix = 2001:db8:2::/64\nassign = eui64\npd_pool = 2001:db8:8000::/48",
			"f:10: 2001:db8:8000::/48 overlaps pd_pool of network guests",
		},
		{"pd_pool of link-local addresses", network + "pd_pool = fe80::/56", "f:5: fe80::/56 is no prefix of global or unique local addresses"},
		{"pd_length", network + "pd_length = 127", `f:5: pd_length: "127" is no number from 16 to 126`},
		{"bad name", network + "search = a..b", `f:5: search:`},
		{"relative path", network + "[server]\nhosts = hosts", `f:6: hosts: "hosts": write the whole path`},
		{"bad DUID", network + "[server]\nduid = xyz", `f:6: duid: "xyz": not a DUID`},
		{"bad duration", network + "valid_lifetime = 1y", `f:5: valid_lifetime: "1y" is no duration; write seconds, or a number with s, m, h, d or w, or infinite`},
		{"preferred above valid", network + "valid_lifetime = 1h", "f:1: preferred_lifetime is longer than valid_lifetime"},
		{"S-21.23-05 SOL_MAX_RT too short", network + "sol_max_rt = 59", "out of range: 1m0s to 24h0m0s"},
		{"S-21.23-05 SOL_MAX_RT too long", network + "sol_max_rt = 86401", "out of range: 1m0s to 24h0m0s"},
		{"S-21.23-07 INF_MAX_RT too long", network + "inf_max_rt = 86401", "out of range"},
		{"S-21.23-02 refresh too short", network + "information_refresh = 599", "out of range: at least 10m0s"},
		{"S-18.3.9-03 preference of 256", network + "[server]\npreference = 256", `"256" is no number from 0 to 255`},
		{"router lifetime below the interval", network + "router_lifetime = 5m", "router_lifetime is shorter than ra_max_interval"},
		{"interval", network + "ra_max_interval = 2", "out of range: 4s to 30m0s"},
		{"least interval", network + "ra_max_interval = 10\nra_min_interval = 8", "more than 0.75"},
		{"MTU", network + "mtu = 1000", `"1000" is no number from 1280 to 65535`},
		{"empty value of a key that has a default", network + "mtu =", "f:5: mtu: a value is missing; the default is 0"},
		{"quotes", network + `dns = "2001:db8::1"`, "values stand without quotes"},
		{"control characters", network + "dns = \x1b[31m", "control characters"},
		{"neither", network + "nonsense", `"nonsense" is neither a section nor key = value`},
		{"frame identity unverified", network + "[server]\nidentity = frame\nverify_frame = no", "f:7: with identity = frame"},
		{"name of a NIC", "[network guests]\ninterface = ../x\nprefix = 2001:db8:1::/64", `is no name of a NIC`},
		{"send_ra without interface", "[server]\ntrusted_relays = 2001:db8::1\n[network far]\nprefix = 2001:db8:1::/64\nsend_ra = yes\n", "f:5: send_ra = yes needs an interface"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseConfig("f", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestEveryMistakeIsNamedAtOnce(t *testing.T) {
	const text = `[network guests]
prefix = x
interface = eth1
perfix = 2001:db8:1::/64
mtu = 1
[netwk more]
send_ra = no
[server]
identity = mac
preference = 256
preference = 255
nonsense
`
	_, err := ParseConfig("f", []byte(text))
	var got []string
	for line := range strings.SplitSeq(fmt.Sprint(err), "\n") {
		got = append(got, line)
	}
	slices.Sort(got)
	want := []string{
		`f:10: preference: "256" is no number from 0 to 255`,
		`f:11: "preference" is set twice; first in line 10`,
		`f:12: "nonsense" is neither a section nor key = value`,
		`f:2: prefix: "x" is no IPv6 prefix; write it as 2001:db8:1::/64`,
		`f:4: unknown key "perfix"; did you mean "prefix"?`,
		`f:5: mtu: "1" is no number from 1280 to 65535`,
		`f:6: unknown section [netwk more]; there are [server], [network NAME] and [class TAG]`,
		`f:9: identity: "mac" is not one of: duid, frame`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
}

func TestFilesThatCannotBeReadHaveTheirOwnCure(t *testing.T) {
	dir := t.TempDir()
	none := filepath.Join(dir, "none.conf")
	_, err := LoadConfig(none)
	f, ok := fault.As(err)
	if !ok || f.Exit != fault.ExitUsage || !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(f.Cure, "write "+none+",") {
		t.Errorf("missing: %v; cure %q", err, fault.Cure(err))
	}
	if _, text, _ := strings.Cut(fault.Cure(err), "\n"); text+"\n" != SmallestConfig {
		t.Errorf("the cure shows %q", text)
	}
	if c, err := ParseConfig("f", []byte(SmallestConfig)); err != nil || len(c.Warnings) > 0 {
		t.Errorf("the smallest configuration: %v, %+v", err, c)
	}
	_, err = LoadConfig(dir)
	if fault.ExitCode(err) != fault.ExitUsage || fault.Cure(err) != "give it a file that can be read" {
		t.Errorf("a folder: %v; cure %q", err, fault.Cure(err))
	}
	denied := unreadFault("f", fs.ErrPermission, nil)
	if denied.Exit != fault.ExitNotPermitted || !strings.Contains(denied.Cure, "run it as root") {
		t.Errorf("not permitted: exit code %d, cure %q", denied.Exit, denied.Cure)
	}
}

func TestFolderBesideOverrides(t *testing.T) {
	file := filepath.Join(t.TempDir(), "v6responder[1].conf")
	for name, text := range map[string]string{
		file:                      designExample,
		file + ".d/20-late.conf":  "[network guests]\nvalid_lifetime = 3d\n",
		file + ".d/10-early.conf": "[network guests]\nvalid_lifetime = 2d\nmtu = 1400\n[network more]\ninterface = eth2\nprefix = 2001:db8:2::/64\n",
		file + ".d/ignored":       "nonsense",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Networks[0]; len(c.Networks) != 2 || n.Valid != 72*time.Hour || n.RA.MTU != 1400 || n.Interface != "eth1" {
		t.Errorf("networks %+v", c.Networks)
	}
}

func TestInfiniteLifetimes(t *testing.T) {
	c, err := ParseConfig("f", []byte(designExample+"preferred_lifetime = infinite\nvalid_lifetime = infinite\n"))
	if err != nil || c.Networks[0].Valid != wire.Infinite || len(c.Warnings) != 2 {
		t.Errorf("%v, %+v", err, c)
	}
}

func TestCheckHosts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte("06:a0:f0:00:00:38,[2001:db8:1::38]\nbroken\n06:a0:f0:00:00:39,[2001:db8:9::39]\nid:00:04:aa:bb,[2001:db8:1::]\n06:a0:f0:00:00:40,[2001:db8:1::53]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := ParseConfig("f", []byte(strings.Replace(plain, "/hosts", file, 1)+"[class storage]\ndns =\n[class storage guests]\nntp =\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := CheckHosts(c)
	want := Check{
		Networks: 1, Lines: 4, Tally: hosts.Tally{LeftOut: 1},
		Errors: []string{file + ":2: says not for whom it is: write id:DUID or a MAC"},
		Warnings: []string{
			file + ":4: [2001:db8:1::] has an interface identifier that RFC 5453 reserves, as for the anycast address of a subnet's routers, and is never given: write another address",
			file + ":3: [2001:db8:9::39] is in no network's prefix: write an address of one that is served, or a [network NAME] with its prefix into the configuration",
			file + ":4: id:00:04:aa:bb: holds no MAC, so that the frame cannot prove whose it is; any guest can claim it",
			file + ":5: [2001:db8:1::53] is a DNS or time server of network guests: right if the line is that server's; else write another address",
			"f:12: class storage has no effect: no line of the hosts file sets its tag in a network that it is for; write set:storage into one, unless it comes by v6responder hosts add",
			"f:14: class storage has no effect: no line of the hosts file sets its tag in a network that it is for; write set:storage into one, unless it comes by v6responder hosts add",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("S-13.1-09 (-want +got):\n%s", diff)
	}
}

func TestCheckHostsTellsUnreadFilesFromBadLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hosts")
	c, err := ParseConfig("f", []byte(strings.Replace(plain, "/hosts", file, 1)))
	if err != nil {
		t.Fatal(err)
	}
	got := CheckHosts(c)
	if want := (hosts.Tally{Unread: 1}); got.Tally != want || len(got.Errors) != 1 || got.Errors[0] != file+": cannot be read: no such file or directory" {
		t.Errorf("no file: %+v", got)
	}
	if err := os.WriteFile(file, []byte(strings.Repeat("nonsense\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := CheckHosts(c), (hosts.Tally{LeftOut: 1000}); got.Tally != want || len(got.Errors) != hosts.MaxProblems+1 {
		t.Errorf("a thousand bad lines: %+v, %d errors", got.Tally, len(got.Errors))
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(designExample)
	f.Add("[network a]\nprefix=2001:db8::/64\ninterface=e\n[DEFAULT]\nx=y\n%(x)s = \\\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseConfig("f", []byte(text))
		if err != nil {
			return
		}
		for _, n := range c.Networks {
			if !n.Prefix.IsValid() || n.Preferred > n.Valid {
				t.Errorf("accepted %+v", n)
			}
			if _, err := n.sender().Check(); n.RA.Send && err != nil {
				t.Errorf("accepted what the sender refuses: %v", err)
			}
		}
	})
}
