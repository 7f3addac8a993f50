package conformance

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// A Demand is one line of a list: what a standard demands, in own words.
type Demand struct {
	ID     string // "C-15-05": names the line in tests, for ever
	Source string // standard and section
	Level  string // MUST, MUST NOT, SHOULD, SHOULD NOT or MAY
	Text   string
}

// Strict reports whether the demand must be met: MUST or MUST NOT.
func (d Demand) Strict() bool { return strings.HasPrefix(d.Level, "MUST") }

// A Reason says why no test names some demands.
type Reason struct {
	IDs  string // an id, or a pattern of ids as path.Match takes it
	Kind string // one of Kinds
	Text string
}

// A Kind is a kind of reason.
type Kind struct{ Name, Meaning string }

// Kinds are the kinds of reasons, with their meaning.
var Kinds = []Kind{
	{"not built", "the feature that the demand speaks of is not there"},
	{"kernel", "the kernel does it"},
	{"elsewhere", "another part of a cloud has to do it, neither of the two programs"},
	{"deviation", "on purpose; see above"},
}

// idPattern is how tests name a demand.
var idPattern = regexp.MustCompile(`\b[CSRH]-[0-9A-Za-z]+(?:\.[0-9A-Za-z]+)*-[0-9]{2,}\b`)

// ReadDemands reads one of the lists under root.
func ReadDemands(root, name string) ([]Demand, error) {
	rows, err := readTSV(filepath.Join(root, "testdata/conformance", name), "id", "source", "level", "requirement")
	if err != nil {
		return nil, err
	}
	out := make([]Demand, len(rows))
	for i, r := range rows {
		out[i] = Demand{r[0], r[1], r[2], r[3]}
		if idPattern.FindString(r[0]) != r[0] {
			return nil, fmt.Errorf("%s: %q is no id", name, r[0])
		}
	}
	return out, nil
}

// ReadReasons reads why demands have no test.
func ReadReasons(root string) ([]Reason, error) {
	rows, err := readTSV(reasonsFile(root), "ids", "kind", "reason")
	if err != nil {
		return nil, err
	}
	out := make([]Reason, len(rows))
	for i, r := range rows {
		out[i] = Reason{r[0], r[1], r[2]}
		if _, err := path.Match(r[0], ""); err != nil {
			return nil, fmt.Errorf("reasons.tsv: %q: %w", r[0], err)
		}
	}
	return out, nil
}

// WriteReasons writes what ReadReasons reads.
func WriteReasons(root string, reasons []Reason) error {
	text := "ids\tkind\treason\n"
	for _, r := range reasons {
		text += r.IDs + "\t" + r.Kind + "\t" + r.Text + "\n"
	}
	return os.WriteFile(reasonsFile(root), []byte(text), 0o644)
}

func reasonsFile(root string) string { return filepath.Join(root, "testdata/conformance/reasons.tsv") }

// Speaks reports whether the reason is one for the demand with that id.
func (r Reason) Speaks(id string) bool {
	ok, err := path.Match(r.IDs, id)
	return ok && err == nil
}

// readTSV reads a file of fields between tabs whose first line names the columns.
func readTSV(name string, columns ...string) ([][]string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if lines[0] != strings.Join(columns, "\t") {
		return nil, fmt.Errorf("%s: the first line does not name %s", name, strings.Join(columns, ", "))
	}
	var rows [][]string
	for i, line := range lines[1:] {
		row := strings.Split(line, "\t")
		if len(row) != len(columns) {
			return nil, fmt.Errorf("%s:%d: %d fields, not %d", name, i+2, len(row), len(columns))
		}
		rows = append(rows, row)
	}
	return rows, nil
}
