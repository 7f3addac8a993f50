package conformance

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the tables of docs/conformance.md anew")

const root = "../.."

// The marks in the page: what stands between a pair of them is made by this test.
var marks = []struct {
	begin, end string
	make       func([]List, Proofs, []Reason) string
}{
	{"<!-- counts: made by `go test ./test/conformance -update` -->\n", "<!-- end of the counts -->\n", Counts},
	{"<!-- lines: made by `go test ./test/conformance -update` -->\n", "<!-- end of the lines -->\n", Lines},
}

// read reads the lists, the tests and the reasons, once: under the race detector that takes seconds.
var read = sync.OnceValues(func() (all everythingRead, err error) {
	lists, err1 := Lists(root)
	proofs, err2 := FindProofs(root)
	reasons, err3 := ReadReasons(root)
	return everythingRead{lists, proofs, reasons}, errors.Join(err1, err2, err3)
})

type everythingRead struct {
	lists   []List
	proofs  Proofs
	reasons []Reason
}

func everything(t *testing.T) ([]List, Proofs, []Reason) {
	t.Helper()
	all, err := read()
	if err != nil {
		t.Fatal(err)
	}
	return all.lists, all.proofs, all.reasons
}

func TestPageIsCurrent(t *testing.T) {
	lists, proofs, reasons := everything(t)
	name := filepath.Join(root, "docs/conformance.md")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, m := range marks {
		before, rest, ok := strings.Cut(page, m.begin)
		got, after, closed := strings.Cut(rest, m.end)
		if !ok || !closed {
			t.Fatalf("%s has not both marks %q and %q", name, m.begin, m.end)
		}
		want := m.make(lists, proofs, reasons)
		if *update {
			page = before + m.begin + want + m.end + after
		} else if wants, has := firstDifference(want, got); want != got {
			t.Errorf("%s is out of date: go test ./test/conformance -update writes it anew. Its first line that is\n%s\nshould be\n%s", name, has, wants)
		}
	}
	if *update {
		if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// firstDifference returns the first lines in which two texts differ.
func firstDifference(a, b string) (lineA, lineB string) {
	for a != "" || b != "" {
		lineA, a, _ = strings.Cut(a, "\n")
		lineB, b, _ = strings.Cut(b, "\n")
		if lineA != lineB {
			break
		}
	}
	return lineA, lineB
}

func TestNoTestNamesAnUnknownDemand(t *testing.T) {
	lists, proofs, _ := everything(t)
	known := map[string]bool{}
	for _, l := range lists {
		for _, d := range l.Demands {
			if known[d.ID] {
				t.Errorf("%s stands twice in the lists", d.ID)
			}
			known[d.ID] = true
			if !slices.Contains(levels, d.Level) {
				t.Errorf("%s: unknown level %q", d.ID, d.Level)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(proofs)) {
		if !known[id] {
			t.Errorf("%s is in no list, but is named by %s", id, strings.Join(proofs[id], ", "))
		}
	}
}

// TestReasonsAreNeeded finds reasons of which every demand has a test by now; -update takes them out.
func TestReasonsAreNeeded(t *testing.T) {
	lists, proofs, reasons := everything(t)
	kept := reasons[:0:0]
	for _, r := range reasons {
		if !slices.ContainsFunc(Kinds, func(k Kind) bool { return k.Name == r.Kind }) {
			t.Errorf("reason for %s: unknown kind %q", r.IDs, r.Kind)
		}
		needed := slices.ContainsFunc(lists, func(l List) bool {
			return slices.ContainsFunc(l.Demands, func(d Demand) bool { return r.Speaks(d.ID) && len(proofs[d.ID]) == 0 })
		})
		switch {
		case needed:
			kept = append(kept, r)
		case !*update:
			t.Errorf("the reason for %s (%s: %s) is of no demand without a test: take it out", r.IDs, r.Kind, r.Text)
		}
	}
	if *update && len(kept) < len(reasons) {
		if err := WriteReasons(root, kept); err != nil {
			t.Fatal(err)
		}
	}
}

// TestProofsAreFoundThroughTables reads a package made for it, in which @ stands for C: this file names
// no demand.
func TestProofsAreFoundThroughTables(t *testing.T) {
	dir := t.TempDir()
	source := `package x
// TestA names @-1-01.
func TestA(t *testing.T) { run(t, cases) }
func run(t *testing.T, c []string) {}
var cases = []string{"@-1-02 one", "@-1-03 @-1-04 two", "X@-1-05", "@-1-6"}
// helper names @-1-07, and nothing uses it.
func helper() {}
func (suite) TestB() { _ = "@-1-08" }
`
	if err := os.WriteFile(filepath.Join(dir, "x_test.go"), []byte(strings.ReplaceAll(source, "@", "C")), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := FindProofs(dir)
	if err != nil {
		t.Fatal(err)
	}
	a := []string{"x_test.go:TestA"}
	want := Proofs{}
	for _, n := range []string{"1", "2", "3", "4"} {
		want["C-1-0"+n] = a
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("proofs (-want +got):\n%s", diff)
	}
}
