package responder

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite what is made of the code: parts of pages, golden files")

// configurationPage is the page that lists every key. What stands between two marks is made of the
// table in the code: go test ./pkg/responder -run Documentation -update
const configurationPage = "../../docs/configuration.md"

func keysBegin(section string) string {
	return fmt.Sprintf("<!-- keys of v6responder, %s: made of the table in pkg/responder by `go test ./pkg/responder -run Documentation -update` -->\n", section)
}

func keysEnd(section string) string {
	return fmt.Sprintf("<!-- end of the keys of v6responder, %s -->\n", section)
}

// keyExamples are lines as a person writes them; each is proved to be accepted.
var keyExamples = map[string]string{
	"hosts":                     "hosts = /etc/v6responder/hosts",
	"identity":                  "identity = frame",
	"verify_frame":              "verify_frame = no",
	"duid":                      "duid = 00:03:00:01:02:00:00:00:00:01",
	"trusted_relays":            "trusted_relays = fe80::1 2001:db8::1",
	"rapid_commit":              "rapid_commit = no",
	"preference":                "preference = 255",
	"metrics":                   "metrics = [::1]:9547",
	"interface":                 "interface = eth1",
	"prefix":                    "prefix = 2001:db8:1::/64",
	"allow_any_prefix":          "allow_any_prefix = yes",
	"assign":                    "assign = eui64",
	"pool":                      "pool = 2001:db8:1::1000-2001:db8:1::1fff",
	"pool_exclude":              "pool_exclude = 2001:db8:1::1010 2001:db8:1::1020-2001:db8:1::102f",
	"pool_grace":                "pool_grace = 10m",
	"pool_declined":             "pool_declined = 2h",
	"pool_limit":                "pool_limit = 1000",
	"pool_per_mac":              "pool_per_mac = 2",
	"pool_rate":                 "pool_rate = 50",
	"pd_pool":                   "pd_pool = 2001:db8:8000::/40",
	"pd_length":                 "pd_length = 56",
	"pd_exclude":                "pd_exclude = 2001:db8:8000::/48",
	"pd_grace":                  "pd_grace = 1d",
	"pd_limit":                  "pd_limit = 1000",
	"pd_per_mac":                "pd_per_mac = 1",
	"dns":                       "dns = 2001:db8:1::53 2001:db8:2::53",
	"search":                    "search = example.org cloud.example.org",
	"ntp":                       "ntp = 2001:db8:1::123 ntp.example.org",
	"option.NN":                 "option.59 = 68 74 74 70 3a 2f 2f 62 6f 6f 74",
	"preferred_lifetime":        "preferred_lifetime = 2h",
	"valid_lifetime":            "valid_lifetime = 3d",
	"sol_max_rt":                "sol_max_rt = 10m",
	"inf_max_rt":                "inf_max_rt = 10m",
	"information_refresh":       "information_refresh = 1d",
	"send_ra":                   "send_ra = no",
	"managed":                   "managed = no",
	"other":                     "other = no",
	"ra_dns":                    "ra_dns = no",
	"router_lifetime":           "router_lifetime = 30m",
	"router_preference":         "router_preference = high",
	"mtu":                       "mtu = 1450",
	"ra_max_interval":           "ra_max_interval = 300",
	"ra_min_interval":           "ra_min_interval = 60",
	"prefix_preferred_lifetime": "prefix_preferred_lifetime = 1d",
	"prefix_valid_lifetime":     "prefix_valid_lifetime = infinite",
	"prefix_on_link":            "prefix_on_link = no",
	"prefix_autonomous":         "prefix_autonomous = yes",
	"ra_dns_lifetime":           "ra_dns_lifetime = 1h",
	"routes":                    "routes = 2001:db8:8000::/33 fd00:1::/48",
	"route_preference":          "route_preference = high",
	"route_lifetime":            "route_lifetime = 30m",
	"pref64":                    "pref64 = 64:ff9b::/96",
}

func TestDocumentationListsEveryKey(t *testing.T) {
	text, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, section := range []string{"server", "network", "class"} {
		before, rest, ok := strings.Cut(page, keysBegin(section))
		got, after, closed := strings.Cut(rest, keysEnd(section))
		if !ok || !closed {
			t.Fatalf("%s has not both marks %q and %q", configurationPage, keysBegin(section), keysEnd(section))
		}
		want := keysTable(section)
		if *update {
			page = before + keysBegin(section) + want + keysEnd(section) + after
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s says otherwise than the table in the code (-code +page; -update rewrites the page):\n%s", configurationPage, diff)
		}
	}
	if *update {
		if err := os.WriteFile(configurationPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDocumentationExamplesAreAccepted(t *testing.T) {
	for _, k := range Keys() {
		example, ok := keyExamples[k.Name]
		if !ok {
			t.Errorf("%s has no example", k.Name)
			continue
		}
		conf := map[string][]string{"server": nil, "network": {"interface = eth1", "prefix = 2001:db8:1::/64"}}
		lines := []string{example}
		for _, other := range conf[k.Section] {
			if !strings.HasPrefix(other, k.Name+" ") {
				lines = append(lines, other)
			}
		}
		conf[k.Section] = lines
		text := "[server]\n" + strings.Join(conf["server"], "\n") + "\n[network guests]\n" + strings.Join(conf["network"], "\n") + "\n"
		if _, err := ParseConfig("example", []byte(text)); err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
	}
	if n := len(Keys()); len(keyExamples) != n {
		t.Errorf("%d examples for %d keys", len(keyExamples), n)
	}
}

func keysTable(section string) string {
	var b strings.Builder
	b.WriteString("| key | default | what may be written | what it does | example |\n|---|---|---|---|---|\n")
	for _, k := range Keys() {
		if k.Section != section && (section != "class" || !k.Class) {
			continue
		}
		def, values := "", k.Values
		if k.Default != "" && section != "class" {
			def = "`" + k.Default + "`"
		}
		if k.Unit != "" {
			values += " (" + k.Unit + ")"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | `%s` |\n",
			k.Name, def, strings.ReplaceAll(values, "|", `\|`), k.Sentence, keyExamples[k.Name])
	}
	return b.String()
}
