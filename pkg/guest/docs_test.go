package guest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// configurationPage is the page that lists every key. What stands between its two marks is made of the
// table in the code: go test ./pkg/guest -run Documentation -update
const (
	configurationPage = "../../docs/configuration.md"
	keysBegin         = "<!-- keys of v6guest: made of the table in pkg/guest by `go test ./pkg/guest -run Documentation -update` -->\n"
	keysEnd           = "<!-- end of the keys of v6guest -->\n"
)

// keyExamples are lines as a person writes them; each is proved to be accepted.
var keyExamples = map[string]string{
	"nics":            "nics = eth0 en* 06:a0:f0:00:00:38",
	"default_nic":     "default_nic = eth0",
	"lease":           "lease = distro",
	"duid":            "duid = host",
	"start":           "start = on-managed-ra",
	"start_delay":     "start_delay = none",
	"wait":            "wait = 2m",
	"ra":              "ra = kernel",
	"slaac":           "slaac = off",
	"routers":         "routers = fe80::1 fe80::4a0:f0ff:fe00:1",
	"servers":         "servers = 00:03:00:01:06:a0:f0:00:00:01 fe80::1",
	"secondary_ra":    "secondary_ra = no-default-route",
	"link_local":      "link_local = keep",
	"optimistic_dad":  "optimistic_dad = yes",
	"dns":             "dns = off",
	"source_routing":  "source_routing = yes",
	"release_on_stop": "release_on_stop = yes",
}

func TestDocumentationListsEveryKey(t *testing.T) {
	page, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), keysBegin)
	got, after, closed := strings.Cut(rest, keysEnd)
	if !ok || !closed {
		t.Fatalf("%s has not both marks %q and %q", configurationPage, keysBegin, keysEnd)
	}
	want := keysTable()
	if *update {
		if err := os.WriteFile(configurationPage, []byte(before+keysBegin+want+keysEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s says otherwise than the table in the code (-code +page; -update rewrites the page):\n%s", configurationPage, diff)
	}
}

func TestDocumentationExamplesAreAccepted(t *testing.T) {
	for _, k := range Keys() {
		example, ok := keyExamples[k.Name]
		if !ok {
			t.Errorf("%s has no example", k.Name)
			continue
		}
		sections := []string{"[agent]"}
		if k.PerNIC {
			sections = append(sections, "[nic eth1]")
		}
		for _, s := range sections {
			if err := DefaultConfig().Parse("example", []byte(s+"\n"+example+"\n")); err != nil {
				t.Errorf("%s, in %s: %v", k.Name, s, err)
			}
		}
	}
	if n := len(Keys()); len(keyExamples) != n {
		t.Errorf("%d examples for %d keys", len(keyExamples), n)
	}
}

func keysTable() string {
	var b strings.Builder
	b.WriteString("| key | where | default | what may be written | what it does | example |\n|---|---|---|---|---|---|\n")
	for _, k := range Keys() {
		where, values := "`[agent]`", strings.ReplaceAll(k.Values, "|", `\|`)
		if k.PerNIC {
			where = "`[agent]`, `[nic NAME]`"
		}
		if k.Unit != "" {
			values += " in " + k.Unit
		}
		def := k.Default
		if def != "" {
			def = "`" + def + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | `%s` |\n",
			k.Name, where, def, values, strings.ReplaceAll(k.Sentence, "|", `\|`), keyExamples[k.Name])
	}
	return b.String()
}
