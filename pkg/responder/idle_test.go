package responder

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	idleNetwork = "[network guests]\ninterface = eth1\nprefix = 2001:db8:1::/64\nassign = eui64\n"
	idleFar     = "[server]\ntrusted_relays = fe80::1\n[network guests]\nassign = eui64\nprefix = 2001:db8:1::/64\n"
	idlePool    = "[network guests]\ninterface = eth1\nprefix = 2001:db8:1::/64\npool = 2001:db8:1::1000-2001:db8:1::101f\n"
	idlePD      = idleNetwork + "pd_pool = 2001:db8:8000::/60\n"
)

// warnings are those of a configuration.
func warnings(t *testing.T, text string) []string {
	t.Helper()
	c, err := ParseConfig("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c.Warnings
}

func TestKeysWithoutEffectAreNamed(t *testing.T) {
	const ( // as they begin
		noPool    = "the network has no pool; write pool =, or take it out"
		noPD      = "the network has no pd_pool; write pd_pool =, or take it out"
		noRA      = "no advertisements are sent; write send_ra = yes, or take it out"
		noLink    = "the network has no interface on which advertisements could be sent; write interface =, or take it out"
		fewer     = "the pool has no more addresses than that; write a lower number, or take it out"
		fewerPD   = "pd_pool has no more prefixes than that; write a lower number, or take it out"
		noRouter  = "this machine is announced as no default router; write router_lifetime =, or take it out"
		noRoutes  = "no routes are announced; write routes =, or take it out"
		noDNS     = "there is nothing that advertisements could say of DNS; write dns = or search =, or take it out"
		noPrefix  = "guests use the prefix for nothing; write prefix_on_link = yes or prefix_autonomous = yes, or take it out"
		noAddress = "it is about addresses that guests make themselves; write prefix_autonomous = yes, or preferred_lifetime = for those that are leased, or take it out"
	)
	type idle struct{ config, line, why string }
	cases := []idle{
		{idleNetwork, "allow_any_prefix = yes", "the prefix is a /64; write another, or take it out"},
		{idleNetwork, "pool_exclude = 2001:db8:1::1", noPool},
		{idleNetwork, "pool_grace = 10m", noPool},
		{idleNetwork, "pool_declined = 2h", noPool},
		{idleNetwork, "pool_limit = 10", noPool},
		{idleNetwork, "pool_per_mac = 2", noPool},
		{idleNetwork, "pool_rate = 50", "the network has no pool; write pool = or pd_pool =, or take it out"},
		{idlePool, "pool_limit = 32", fewer},
		{idlePool, "pool_per_mac = 1000", fewer},
		{idleNetwork, "pd_length = 56", noPD},
		{idleNetwork, "pd_exclude = 2001:db8:8000::/48", noPD},
		{idleNetwork, "pd_grace = 1d", noPD},
		{idleNetwork, "pd_limit = 10", noPD},
		{idleNetwork, "pd_per_mac = 1", noPD},
		{idlePD, "pd_limit = 16", fewerPD},
		{idlePD, "pd_per_mac = 17", fewerPD},
		{idleNetwork, "router_preference = high", noRouter},
		{idleNetwork, "route_preference = high", noRoutes},
		{idleNetwork, "route_lifetime = 30m", noRoutes},
		{idleNetwork, "ra_dns = no", noDNS},
		{idleNetwork, "ra_dns_lifetime = 1h", noDNS},
		{idleNetwork + "ra_dns = no\ndns = 2001:db8::53\n", "ra_dns_lifetime = 1h", "advertisements carry no DNS servers; write ra_dns = yes, or take it out"},
		{idleNetwork + "prefix_on_link = no\n", "prefix_valid_lifetime = infinite", noPrefix},
		{idleNetwork, "prefix_preferred_lifetime = 1d", noAddress},
	}
	// Whatever stands in advertisements.
	for _, k := range raKeys() {
		if k.Name != "send_ra" {
			cases = append(cases, idle{idleNetwork + "send_ra = no\n", keyExamples[k.Name], noRA}, idle{idleFar, keyExamples[k.Name], noLink})
		}
	}
	// What never is without effect, and why.
	known := map[string]bool{
		"hosts": true, "identity": true, "duid": true, "rapid_commit": true, "preference": true, "metrics": true, // of every guest, or of the server
		"verify_frame":   true,                                 // an error beside identity = frame, see TestConfigurationMistakes
		"trusted_relays": true,                                 // relays may speak for every network
		"interface":      true, "prefix": true, "assign": true, // assign is warned of where nobody gets an address
		"dns": true, "search": true, "ntp": true, rawKey: true, "sol_max_rt": true, "inf_max_rt": true, "information_refresh": true, // go to whoever asks
		"preferred_lifetime": true, "valid_lifetime": true, // where a line or a class gives none
		"pool": true, "pd_pool": true, "send_ra": true, // the others are about them
		"managed": true, "other": true, "mtu": true, "router_lifetime": true, "ra_max_interval": true, "ra_min_interval": true,
		"prefix_on_link": true, "prefix_autonomous": true, "routes": true, "pref64": true, // stand in every advertisement
	}
	for _, tt := range cases {
		key, _, _ := strings.Cut(tt.line, " ")
		known[key] = true
		t.Run(key, func(t *testing.T) {
			before := warnings(t, tt.config)
			got := warnings(t, tt.config+tt.line+"\n")
			want := append(before, "f:"+lineOf(tt.config)+": "+key+" has no effect in network guests: "+tt.why)
			if diff := cmp.Diff(want, got, cmp.Transformer("sorted", sorted)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
	for _, k := range Keys() {
		if !known[k.Name] {
			t.Errorf("%s: nothing says when it is without effect", k.Name)
		}
	}
}

// lineOf is the number of the line behind a text.
func lineOf(text string) string { return strconv.Itoa(strings.Count(text, "\n") + 1) }

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// TestKeysThatSayTheDefaultDoNoHarm: the file that the package brings, with nothing of it a comment, is without warnings.
func TestKeysThatSayTheDefaultDoNoHarm(t *testing.T) {
	text := idleNetwork + "send_ra = no\n"
	for _, k := range Keys() {
		if k.setNetwork != nil && !strings.Contains(text, "\n"+k.Name+" =") && k.Name != rawKey {
			text += k.Name + " = " + k.Default + "\n"
		}
	}
	if got := warnings(t, text); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// TestClassesAreHeldAgainstTheirNetworks: what of a class does not go with a network's values is found, with its line.
func TestClassesAreHeldAgainstTheirNetworks(t *testing.T) {
	const network = idleNetwork + "valid_lifetime = 20h\npreferred_lifetime = 10h\n"
	for _, tt := range []struct {
		name, config string
		want         []string
	}{
		{"in order", network + "[class x]\npreferred_lifetime = 10m\nvalid_lifetime = 20m\ndns = 2001:db8::1\n", nil},
		{"an empty one", network + "[class x]\n", []string{"f:7: class x gives nothing and takes nothing away; write a key into it, or take it out"}},
		{"one lifetime that goes with the network's other", network + "[class x]\npreferred_lifetime = 20h\n[class y]\nvalid_lifetime = 10h\n", nil},
		{
			"a preferred lifetime above the network's valid one", network + "[class x]\npreferred_lifetime = 21h\n",
			[]string{"f:8: preferred_lifetime of class x is longer than valid_lifetime of network guests (21h0m0s and 20h0m0s): clients get the latter for both; write valid_lifetime into the class, too"},
		},
		{
			"a valid lifetime below the network's preferred one", network + "[class x guests]\nvalid_lifetime = 1h\n",
			[]string{"f:8: valid_lifetime of class x guests is shorter than preferred_lifetime of network guests (1h0m0s and 10h0m0s): clients get the former for both; write preferred_lifetime into the class, too"},
		},
		{
			"in one network of two", network + "[network more]\ninterface = eth2\nprefix = 2001:db8:2::/64\nassign = eui64\nvalid_lifetime = 30h\n[class x]\npreferred_lifetime = 25h\n",
			[]string{"f:13: preferred_lifetime of class x is longer than valid_lifetime of network guests (25h0m0s and 20h0m0s): clients get the latter for both; write valid_lifetime into the class, too"},
		},
		{
			"infinite", network + "[class x]\npreferred_lifetime = infinite\nvalid_lifetime = infinite\n",
			[]string{"f:8: clients of infinite lifetimes never renew: they notice a change only when they start; write one that ends, where that matters"},
		},
		{
			"what there is not is taken away", network + "[class x]\nsearch =\ninformation_refresh =\noption.59 =\n",
			[]string{
				"f:10: option.59 has no effect: clients of class x are given none anyway; write what they shall get, or take it out",
				"f:8: search has no effect: clients of class x are given none anyway; write what they shall get, or take it out",
				"f:9: information_refresh has no effect: clients of class x are given none anyway; write what they shall get, or take it out",
			},
		},
		{
			"what nondefault6 has taken away already", network + "dns = 2001:db8::53\n[class nondefault6]\ndns =\n",
			[]string{"f:9: dns has no effect: clients of class nondefault6 are given none anyway; write what they shall get, or take it out"},
		},
		{"what another class gives", network + "[class x]\ndns =\n[class y]\ndns = 2001:db8::53\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, warnings(t, tt.config), cmp.Transformer("sorted", sorted)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLinesOfSeveralClassesAreHeldAgainstEachOther by check-config.
func TestLinesOfSeveralClassesAreHeldAgainstEachOther(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hosts")
	lines := "06:a0:f0:00:00:38,[2001:db8:1::38],set:slow,set:quick\n" + // doubtful
		"06:a0:f0:00:00:39,[2001:db8:1::39],set:slow,set:quick,1h\n" + // the line's own lifetime
		"06:a0:f0:00:00:40,[2001:db8:1::40],set:a,set:b\n" // too much
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := ParseConfig("f", []byte("[server]\nhosts = "+file+"\n[network guests]\ninterface = eth1\nprefix = 2001:db8:1::/64\n"+
		"preferred_lifetime = 10m\nvalid_lifetime = 20h\n[class slow]\npreferred_lifetime = 2h\n[class quick]\nvalid_lifetime = 1h\n[class a]\noption.59 = "+
		strings.Repeat("00", 1024)+"\n[class b]\noption.60 = "+strings.Repeat("00", 1024)+"\n[class c guests]\ndns = 2001:db8::1\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		file + ":1: preferred_lifetime of its class slow is longer than valid_lifetime of its class quick (2h0m0s and 1h0m0s): it gets the latter for both; write both into one",
		file + ":3: its classes and network guests together give it options of 2056 bytes; at most 2048 fit into an answer here: give fewer",
		"f:16: class c has no effect: no line of the hosts file sets its tag in a network that it is for; write set:c into one, unless it comes by v6responder hosts add",
	}
	if diff := cmp.Diff(want, CheckHosts(c).Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	c.Hosts = ""
	if got := CheckHosts(c).Warnings; len(got) != 5 || !strings.HasPrefix(got[0], "f:8: class slow has no effect") {
		t.Errorf("without a hosts file: %q", got)
	}
}

// TestPoolsOfWhichNothingIsLeftAreNamed with what is excluded.
func TestPoolsOfWhichNothingIsLeftAreNamed(t *testing.T) {
	for line, want := range map[string]string{
		idlePool + "pool_exclude = 2001:db8:1::-2001:db8:1::ffff\n": "f:5: nothing of pool in network guests is left: nobody gets any; exclude less",
		idlePD + "pd_exclude = 2001:db8:8000::/60\n":                "f:6: nothing of pd_pool in network guests is left: nobody gets any; exclude less",
	} {
		if got := warnings(t, line); len(got) != 1 || got[0] != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
