package packages

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheSnippetsOfTheInstallationPageCanBePasted: a shell takes its commands, and HashiCorp's language its Packer blocks, of which those of one line
// hold one argument at the most.
func TestTheSnippetsOfTheInstallationPageCanBePasted(t *testing.T) {
	m := boot(t)
	for _, page := range []string{"install.md", "upgrade.md"} {
		text, err := os.ReadFile(filepath.Join(top, "docs", page))
		check(t, err)
		for _, block := range regexp.MustCompile("(?s)```(\\w+)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			switch kind, snippet := block[1], block[2]; kind {
			case "sh":
				check(t, m.WriteFile("/tmp/snippet", snippet))
				if r := m.do("bash", "-n", "/tmp/snippet"); r.Code != 0 {
					t.Errorf("%s:\n%s%s", page, snippet, r.Stderr)
				}
			case "hcl":
				for line := range strings.Lines(snippet) {
					if _, body, ok := strings.Cut(line, "{"); ok && strings.Contains(body, "}") && strings.Count(body, "=") > 1 {
						t.Errorf("%s: a block of one line with several arguments: %s", page, line)
					}
				}
			}
		}
	}
}
