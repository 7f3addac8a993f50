package distro

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

// lineless are the refusals of what no line of a file says, each with why.
var lineless = map[string]string{
	"no stack is in charge":            "nothing speaks of the NIC",
	"no stanza is about the NIC":       "it is the line that is missing",
	"does not configure connman":       "it has no files for people",
	"no DHCPv6 client that ifup knows": "a program is missing",
	"dhcpcd has one DUID for all NICs": "it holds whatever the file says; a duid line is named where there is one",
	"knows no dhcp-duid":               "the program is too old",
	"cannot lease on a NIC without":    "the program is too old",
	"has one DUID for DHCPv4":          "the program is too old",
}

// refusals are those that err joins.
func refusals(err error) (out []*RefusalError) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			out = append(out, refusals(e)...)
		}
		return out
	}
	if r := (*RefusalError)(nil); errors.As(err, &r) {
		out = append(out, r)
	}
	return out
}

func TestEveryRefusalNamesFileLineAndCure(t *testing.T) {
	cases(t, "*", func(t *testing.T, c testCase) {
		for _, policy := range policies {
			_, err := c.plan(c.system().Tree, policy)
			if err == nil {
				continue
			}
			found := refusals(err)
			if len(found) == 0 {
				t.Errorf("%s: no refusal: %v", policy, err)
			}
			for _, r := range found {
				checkRefusal(t, r)
			}
		}
	})
}

// checkRefusal wants the file, the line where one says it, and a cure.
func checkRefusal(t *testing.T, r *RefusalError) {
	t.Helper()
	if r.Cure == "" {
		t.Errorf("no cure: %v", r)
	}
	for text := range lineless {
		if strings.Contains(r.Error(), text) {
			return
		}
	}
	if r.File == "" || r.Line <= 0 {
		t.Errorf("no file and line: %v", r)
	}
}

func TestRefusalsOfIncludesNameTheLineThatIncludes(t *testing.T) {
	loop := fstest.MapFS{
		"usr/sbin/ifup":              file(nil),
		"etc/network/interfaces":     file([]byte("# a\nsource /etc/network/interfaces.d/*\n")),
		"etc/network/interfaces.d/b": file([]byte("auto eth0\niface eth0 inet dhcp\nsource /etc/network/interfaces\n")),
	}
	_, err := NewPlan(System{Tree: NewTree(loop), Moment: Image}, []Want{{NIC: fuzzNIC, Default: true}}, Options{Backend: Ifupdown})
	const want = "/etc/network/interfaces.d/b:3: /etc/network/interfaces includes itself: cannot be edited safely"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestNoRefusalIsMadeWithoutACure reads the package itself: golden cases reach most refusals, this all of them.
func TestNoRefusalIsMadeWithoutACure(t *testing.T) {
	noTests := func(info fs.FileInfo) bool { return !strings.HasSuffix(info.Name(), "_test.go") }
	files := token.NewFileSet()
	packages, err := parser.ParseDir(files, ".", noTests, 0) //nolint:staticcheck // build tags do not matter here
	if err != nil {
		t.Fatal(err)
	}
	cureAt := map[string]int{"refuse": 4, "fail": 1} // of which argument
	seen := 0
	for _, p := range packages {
		ast.Inspect(p, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := ""
			switch f := call.Fun.(type) {
			case *ast.Ident:
				name = f.Name
			case *ast.SelectorExpr:
				name = f.Sel.Name
			}
			at, ok := cureAt[name]
			if !ok || len(call.Args) <= at {
				return true
			}
			seen++
			if text, ok := call.Args[at].(*ast.BasicLit); ok && len(text.Value) < len(`"x y"`) {
				t.Errorf("%s: no cure", files.Position(call.Pos()))
			}
			return true
		})
	}
	if seen < 60 {
		t.Errorf("only %d refusals were found", seen)
	}
}

func TestWhatIsWrongForEveryNICIsToldOnce(t *testing.T) {
	m := fstest.MapFS{"usr/sbin/ifup": file(nil), "etc/network/interfaces": file([]byte("nonsense here\n"))}
	other := fuzzNIC
	other.Name = "eth1"
	_, err := NewPlan(System{Tree: NewTree(m), Moment: Image}, []Want{{NIC: fuzzNIC, Default: true}, {NIC: other}}, Options{Backend: Ifupdown})
	if found := refusals(err); len(found) != 1 || strings.Contains(err.Error(), "\n") {
		t.Errorf("%d refusals: %v", len(found), err)
	}
}
