package conformance

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The pages name the tests that show what they say, and the engines' scenarios.
var (
	namedTest     = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9_]*)(…?)[^`]*`")
	namedScenario = regexp.MustCompile("`([0-9]{2}-[a-z0-9-]+)`")
	declaredTest  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9_]*)\(`)
)

func TestTheTestsThatPagesNameExist(t *testing.T) {
	tests := map[string]bool{}
	err := eachFolder(root, func(folder string) error {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil {
			return err
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			for _, m := range declaredTest.FindAllStringSubmatch(string(b), -1) {
				tests[m[1]] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	scenarios, err := filepath.Glob(filepath.Join(root, "pkg/*/testdata/*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range namedTest.FindAllStringSubmatch(string(b), -1) {
			named++
			begins := func(name string) bool { return strings.HasPrefix(name, m[1]) }
			if !tests[m[1]] && (m[2] == "" || !slices.ContainsFunc(keys(tests), begins)) {
				t.Errorf("%s names %s, which is nowhere", page, m[1])
			}
		}
		for _, m := range namedScenario.FindAllStringSubmatch(string(b), -1) {
			is := func(file string) bool { return filepath.Base(file) == m[1]+".txt" }
			if !slices.ContainsFunc(scenarios, is) {
				t.Errorf("%s names the scenario %s, which is nowhere", page, m[1])
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d tests are named: has their form changed?", named)
	}
}

func keys(m map[string]bool) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	return out
}
