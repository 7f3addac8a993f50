package distro

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestDiffIsWhatPatchTakes(t *testing.T) {
	if _, err := exec.LookPath("patch"); err != nil {
		t.Skip("patch is not installed")
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		before := randomText(r)
		after := mutate(r, before)
		c := Change{Path: "/etc/f", Before: []byte(before), After: []byte(after)}
		dir := t.TempDir()
		name := filepath.Join(dir, "f")
		if err := os.WriteFile(name, c.Before, 0o644); err != nil {
			t.Fatal(err)
		}
		diff := c.Diff()
		if before == after {
			if diff != "" {
				t.Errorf("equal files differ by %q", diff)
			}
			continue
		}
		cmd := exec.Command("patch", "--silent", "--fuzz=0", name)
		cmd.Stdin = strings.NewReader(diff)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("case %d: %v: %s\n%s", i, err, out, diff)
		}
		if got, _ := os.ReadFile(name); string(got) != after {
			t.Fatalf("case %d: patched to %q, want %q\n%s", i, got, after, diff)
		}
	}
}

// randomText is up to 40 lines of few kinds, perhaps without a newline at the end.
func randomText(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(40) {
		fmt.Fprintf(&b, "line %d\n", r.IntN(9))
	}
	if r.IntN(3) == 0 {
		return strings.TrimSuffix(b.String(), "\n")
	}
	return b.String()
}

// mutate inserts and deletes some lines.
func mutate(r *rand.Rand, s string) string {
	lines := strings.SplitAfter(s, "\n")
	for range r.IntN(4) {
		i := r.IntN(len(lines))
		if r.IntN(2) == 0 && len(lines) > 2 {
			lines = append(lines[:i:i], lines[i+1:]...)
		} else {
			lines = append(lines[:i:i], append([]string{"new\n"}, lines[i:]...)...)
		}
	}
	if out := strings.Join(lines, ""); out != "" {
		return out
	}
	return "one\n"
}
