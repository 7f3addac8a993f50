package conformance

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Proofs are the tests ("pkg/client/x_test.go:TestX") that name each id.
type Proofs map[string][]string

// FindProofs reads every test under root. A test names an id in its name, its comment, its body, or in
// a table or helper of its package that it uses.
func FindProofs(root string) (Proofs, error) {
	found := map[string]map[string]bool{}
	note := func(test string, ids map[string]bool) {
		for id := range ids {
			if found[id] == nil {
				found[id] = map[string]bool{}
			}
			found[id][test] = true
		}
	}
	err := eachFolder(root, func(folder string) error {
		p, err := parseFolder(root, folder)
		if err != nil {
			return err
		}
		for name, d := range p {
			if d.test != "" {
				note(d.test, p.reach(name, map[string]bool{}))
			}
		}
		return nil
	})
	out := Proofs{}
	for id, tests := range found {
		out[id] = slices.Sorted(maps.Keys(tests))
	}
	return out, err
}

// eachFolder calls do for every folder of the repository that can hold Go code.
func eachFolder(root string, do func(folder string) error) error {
	return filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !e.IsDir():
			return nil
		case name != root && (e.Name()[0] == '.' || e.Name() == "testdata" || e.Name() == "bin"):
			return filepath.SkipDir
		}
		return do(name)
	})
}

// A declaration is a function, type, variable or constant of a test file.
type declaration struct {
	test string          // "file:Name" if it is a test, benchmark or fuzz target
	ids  map[string]bool // that its source names
	uses map[string]bool // all names in it
}

// declarations are those of the test files of one folder, by name.
type declarations map[string]*declaration

// parseFolder reads the test files of a folder. The ids in a table are those of its text.
func parseFolder(root, folder string) (declarations, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		return nil, err
	}
	out := declarations{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, file, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("tests: %w", err)
		}
		short, err := filepath.Rel(root, file)
		if err != nil {
			return nil, err
		}
		for _, d := range parsed.Decls {
			out.add(short, d, string(text[fset.Position(begin(d)).Offset:fset.Position(d.End()).Offset]))
		}
	}
	return out, nil
}

// begin is where a declaration begins with its comment.
func begin(d ast.Decl) token.Pos {
	doc := (*ast.CommentGroup)(nil)
	switch d := d.(type) {
	case *ast.FuncDecl:
		doc = d.Doc
	case *ast.GenDecl:
		doc = d.Doc
	}
	if doc != nil {
		return doc.Pos()
	}
	return d.Pos()
}

// add notes what a declaration declares.
func (p declarations) add(file string, d ast.Decl, text string) {
	n := &declaration{ids: map[string]bool{}, uses: map[string]bool{}}
	for _, id := range idPattern.FindAllString(text, -1) {
		n.ids[id] = true
	}
	ast.Inspect(d, func(x ast.Node) bool {
		if id, ok := x.(*ast.Ident); ok {
			n.uses[id.Name] = true
		}
		return true
	})
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil && isTest(d.Name.Name) {
			n.test = file + ":" + d.Name.Name
		}
		p[d.Name.Name] = n
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				for _, name := range s.Names {
					p[name.Name] = n
				}
			case *ast.TypeSpec:
				p[s.Name.Name] = n
			}
		}
	}
}

// isTest reports whether `go test` runs a function of that name.
func isTest(name string) bool {
	return slices.ContainsFunc([]string{"Test", "Fuzz", "Benchmark", "Example"}, func(kind string) bool {
		return strings.HasPrefix(name, kind) && name != "TestMain"
	})
}

// reach collects the ids that a declaration names, and those that it uses. Other tests are not its own.
func (p declarations) reach(name string, seen map[string]bool) map[string]bool {
	seen[name] = true
	ids := maps.Clone(p[name].ids)
	for used := range p[name].uses {
		if d := p[used]; d != nil && d.test == "" && !seen[used] {
			maps.Copy(ids, p.reach(used, seen))
		}
	}
	return ids
}
