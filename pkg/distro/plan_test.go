package distro

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// policies are both ways to lease.
var policies = []Policy{LeaseAgent, LeaseDistro}

// planned is what plan.json says of one policy.
type planned struct {
	Refused []string      `json:"refused,omitempty"`
	NICs    []plannedNIC  `json:"nics,omitempty"`
	Changes []plannedFile `json:"changes,omitempty"`
}

type plannedNIC struct {
	NIC      string   `json:"nic"`
	Stack    Stack    `json:"stack"`
	Role     string   `json:"role"`
	RA       RA       `json:"ra"`
	AcceptRA int      `json:"accept_ra"`
	Autoconf int      `json:"autoconf"`
	AtBoot   bool     `json:"at_boot,omitempty"`
	Notes    []string `json:"notes,omitempty"`
	Live     []string `json:"live,omitempty"`
}

type plannedFile struct {
	Path string   `json:"path"`
	What string   `json:"what"`
	Why  []string `json:"why"`
}

// wants is what a case wants of its NICs.
func (c testCase) wants(p Policy) (out []Want) {
	for _, nic := range c.nics {
		out = append(out, Want{NIC: nic, Default: nic.Name == c.fallback, Lease: p})
	}
	return out
}

// plan plans a case on a tree.
func (c testCase) plan(t *Tree, p Policy) (*Plan, error) {
	s := c.system()
	s.Tree = t
	return NewPlan(s, c.wants(p), Options{Recipe: c.recipe})
}

// summary is what plan.json shows of a plan.
func summary(p *Plan, err error) (out planned) {
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			out.Refused = append(out.Refused, strings.TrimSpace(line))
		}
		return out
	}
	for _, n := range p.NICs {
		role := "secondary"
		if n.Want.Default {
			role = "default"
		}
		nic := plannedNIC{
			NIC: n.name(), Stack: n.Finding.Stack, Role: role, RA: n.RA, AcceptRA: n.AcceptRA, Autoconf: n.Autoconf, AtBoot: n.AtBoot, Notes: n.Notes,
		}
		for _, l := range n.Live {
			s := strings.Join(l.Argv, " ")
			if l.StopPID != "" {
				s = "stop " + l.StopPID
			}
			if l.CutsIPv4 {
				s += " (cuts IPv4)"
			}
			nic.Live = append(nic.Live, s)
		}
		out.NICs = append(out.NICs, nic)
	}
	for _, c := range p.Changes {
		what := "edit"
		switch {
		case c.Before == nil:
			what = "new, mode " + c.Mode.String()
		case c.After == nil:
			what = "remove"
		}
		out.Changes = append(out.Changes, plannedFile{c.Path, what, c.Why})
	}
	return out
}

// after is the tree when a plan's changes are made.
func (p *Plan) after(t *Tree) *Tree {
	files := map[string][]byte{}
	for _, c := range p.Changes {
		files[c.Path] = c.After
	}
	return t.With(files)
}

func TestPlansAreGolden(t *testing.T) {
	cases(t, "*", func(t *testing.T, c testCase) {
		all := map[Policy]planned{}
		for _, policy := range policies {
			p, err := c.plan(c.system().Tree, policy)
			all[policy] = summary(p, err)
			checkTree(t, filepath.Join(c.dir, "out."+string(policy)), p)
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(all); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join(c.dir, "plan.json"), b.Bytes())
	})
}

// TestSecondaryRAWithoutDefaultRoute: what `secondary_ra = no-default-route` changes in the files of each case with
// several NICs stands in no-default-route.diff, beside what is said about it.
func TestSecondaryRAWithoutDefaultRoute(t *testing.T) {
	cases(t, "*", func(t *testing.T, c testCase) {
		if len(c.nics) < 2 || c.recipe {
			return
		}
		var b bytes.Buffer
		for _, policy := range policies {
			tree := c.system().Tree
			off, err := c.plan(tree, policy)
			if err != nil {
				continue
			}
			wants := c.wants(policy)
			for i := range wants {
				wants[i].KeepRA = true
			}
			s := c.system()
			kept, err := NewPlan(s, wants, Options{})
			if err != nil {
				t.Fatalf("%s: %v", policy, err)
			}
			fmt.Fprintf(&b, "lease = %s\n", policy)
			for i, n := range kept.NICs {
				for _, note := range n.Notes {
					if !slices.Contains(off.NICs[i].Notes, note) {
						fmt.Fprintf(&b, "note: %s: %s\n", n.name(), note)
					}
				}
			}
			b.WriteString(between(off.after(tree), kept.after(tree), off, kept))
			s.Tree = kept.after(tree)
			again, err := NewPlan(s, wants, Options{})
			if err != nil || len(again.Changes) > 0 {
				t.Errorf("%s, second run: %v\n%s", policy, err, diffs(again))
			}
		}
		if b.Len() > 0 { // else both policies are refused
			golden(t, filepath.Join(c.dir, "no-default-route.diff"), b.Bytes())
		}
	})
}

// between is how the files of one plan become those of another.
func between(a, b *Tree, plans ...*Plan) string {
	names := map[string]bool{}
	for _, p := range plans {
		for _, c := range p.Changes {
			names[c.Path] = true
		}
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(names)) {
		c := Change{Path: name, Before: []byte(a.text(name)), After: []byte(b.text(name))}
		if !bytes.Equal(c.Before, c.After) {
			out.WriteString(c.Diff())
		}
	}
	return out.String()
}

// checkTree compares a plan's files with a golden folder, or rewrites it. A file that is taken away
// stands there as NAME.removed.
func checkTree(t *testing.T, dir string, p *Plan) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	if p != nil {
		for _, c := range p.Changes {
			if c.After == nil {
				got[c.Path+".removed"] = ""
				continue
			}
			got[c.Path] = string(c.After)
		}
	}
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		for name, text := range got {
			full := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && e.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		b, err := os.ReadFile(name)
		want[strings.TrimPrefix(name, dir)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", dir, diff)
	}
}

func TestASecondRunChangesNothing(t *testing.T) {
	cases(t, "*", func(t *testing.T, c testCase) {
		for _, policy := range policies {
			p, err := c.plan(c.system().Tree, policy)
			if err != nil {
				continue
			}
			after := p.after(c.system().Tree)
			again, err := c.plan(after, policy)
			if err != nil {
				t.Fatalf("%s, second run: %v", policy, err)
			}
			for _, change := range again.Changes {
				t.Errorf("%s, second run:\n%s", policy, change.Diff())
			}
			for i, n := range again.NICs {
				if n.RA != p.NICs[i].RA {
					t.Errorf("%s, second run: %s has ra %s, before %s", policy, n.name(), n.RA, p.NICs[i].RA)
				}
			}
		}
	})
}

func TestTheOtherPolicyMayFollowWithoutRestore(t *testing.T) {
	cases(t, "*", func(t *testing.T, c testCase) {
		for i, policy := range policies {
			p, err := c.plan(c.system().Tree, policy)
			if err != nil {
				continue
			}
			other := policies[1-i]
			_, direct := c.plan(c.system().Tree, other)
			q, err := c.plan(p.after(c.system().Tree), other)
			if filepath.Base(c.dir) == "wicked-net-convert-v1" && policy == LeaseAgent {
				continue // BOOTPROTO=static has no trace of dhcp6: only the store knows, by Originals
			}
			if (err == nil) != (direct == nil) {
				t.Errorf("%s after %s: %v; from the original: %v", other, policy, err, direct)
			}
			if err != nil {
				continue
			}
			again, err := c.plan(q.after(p.after(c.system().Tree)), other)
			if err != nil || len(again.Changes) > 0 {
				t.Errorf("%s after %s, second run: %v, %+v", other, policy, err, again.Changes)
			}
		}
	})
}

// ours matches lines of the user's that may be rewritten: those about IPv6.
var ours = regexp.MustCompile(`(?i)inet6|^dns-search|address-purge|accept.ra|autoconf|ipv6|dhcpv6|dhcp6|dhclient6|^\s*duid|^method\s*=|never-default|BOOTPROTO=.?dhcp`)

func TestBytesThatAreNotOursStay(t *testing.T) {
	cases(t, "*", func(t *testing.T, c testCase) {
		for _, policy := range policies {
			p, err := c.plan(c.system().Tree, policy)
			if err != nil || c.recipe {
				continue
			}
			for _, change := range p.Changes {
				if bytes.HasPrefix(change.Before, []byte(ownHeader)) {
					continue
				}
				before, after := splitLines(change.Before), splitLines(change.After)
				for _, e := range compareLines(before, after) {
					if e.sign == '-' && !ours.MatchString(e.line) && !addedNewline(e.line, after) {
						t.Errorf("%s, %s: %q is gone:\n%s", policy, change.Path, e.line, change.Diff())
					}
				}
				if bytes.HasSuffix(change.Before, []byte("\n")) != bytes.HasSuffix(change.After, []byte("\n")) && len(change.Before) > 0 && change.After != nil {
					t.Errorf("%s, %s: the last newline came or went", policy, change.Path)
				}
				if crlf := bytes.Count(change.Before, []byte("\r\n")); crlf > 0 && crlf == bytes.Count(change.Before, []byte("\n")) &&
					bytes.Count(change.After, []byte("\r\n")) != bytes.Count(change.After, []byte("\n")) {
					t.Errorf("%s, %s: line endings are mixed", policy, change.Path)
				}
			}
		}
	})
}

// addedNewline reports whether a line differs only in that it was the last and had no newline.
func addedNewline(line string, after []string) bool {
	for _, l := range after {
		if !strings.HasSuffix(line, "\n") && body(l) == line {
			return true
		}
	}
	return false
}

func TestRestoreAfterConfigureIsTheOriginal(t *testing.T) {
	cases(t, "*", func(t *testing.T, c testCase) {
		for _, policy := range policies {
			root := t.TempDir()
			c.copyTo(t, root)
			s := openStore(t, root)
			before := snapshot(t, root)
			p, err := c.plan(s.Tree(), policy)
			if err != nil {
				continue
			}
			if err := s.Apply(p.Changes); err != nil {
				t.Fatal(err)
			}
			original, err := s.Originals()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := c.plan(original, policy); err != nil {
				t.Errorf("%s, from the originals: %v", policy, err)
			} else if changes, err := s.Rebase(again.Changes); err != nil || len(changes) > 0 {
				t.Errorf("%s, second run from the originals: %v, %+v", policy, err, changes)
			}
			if _, err := s.Restore(false); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, snapshot(t, root)); diff != "" {
				t.Errorf("%s (-before +restored):\n%s", policy, diff)
			}
		}
	})
}
