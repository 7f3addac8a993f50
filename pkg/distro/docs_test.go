package distro

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages is where each stack's page lies.
const pages = "../../docs/backends"

func TestEveryBackEndHasItsPage(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(pages, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	list := string(b)
	for _, back := range backends() {
		if !strings.Contains(list, "| "+string(back.stack())) && !strings.Contains(list, "| systemd-"+string(back.stack())) {
			t.Errorf("README.md does not list %s", back.stack())
		}
	}
	links := regexp.MustCompile(`\]\(([a-z0-9-]+\.md)\)`).FindAllStringSubmatch(list, -1)
	if len(links) < len(backends())-2 { // of the list, connman and none have no page
		t.Errorf("%d pages for %d back ends", len(links), len(backends()))
	}
	for _, l := range links {
		if text, err := os.ReadFile(filepath.Join(pages, l[1])); err != nil || len(text) < 500 {
			t.Errorf("%s: %d bytes, %v", l[1], len(text), err)
		}
	}
}
