// Package manual makes the manual pages and the commented configuration file of a program from the very
// tables that its parsers and its help use: the commands with their options, the keys with their
// defaults, the exit codes. It is part of no program: `make docs` builds each program once with another
// main function (build tag docs), which calls it.
package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/fault"
)

// An Entry is a term of a page and what it means.
type Entry struct{ Term, Text string }

// A Key is a key of the configuration.
type Key struct {
	Section  string // as it stands in the file, without brackets
	PerNIC   bool   // may stand in [nic NAME] too
	Name     string
	Default  string
	Values   string
	Unit     string
	Sentence string
}

// IniRules is how every file of ours is written, for a book's ConfAbout.
const IniRules = "A section stands once in a file, a key once in a section: `key = value`. ; and # begin a comment, also behind a value and a blank. " +
	"Lists are separated by blanks or commas. A later file overrides single keys of an earlier one. Every mistake is told by file and line, all at once, " +
	"with the nearest key where there is none of that name; then nothing is started or changed."

// A Book is what the pages of a program are made of.
type Book struct {
	App   *cli.App // as cmdline.Program.Finish leaves it
	Title string   // one line, for apropos
	About string   // paragraphs

	Exits    []int // of fault's
	Signals  []Entry
	Files    []Entry
	Examples []Entry // a command, and what it does
	SeeAlso  []string

	Keys      []Key
	ConfTitle string
	ConfAbout string // how the file is read
	// Conf begins the configuration file: what an administrator reads first, without comment signs.
	Conf string
	// Set are lines that stand in the file without a comment sign, by key.
	Set map[string]string
}

// Main writes the book below the folder that is the one argument, and returns the exit code.
func Main(b *Book, args []string) int {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "usage: go run -tags docs . DIR")
		return fault.ExitUsage
	}
	if err := b.Write(args[0]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return fault.ExitFailure
	}
	return fault.ExitDone
}

// Write writes the pages, the configuration file and the completions below a folder, in files that are
// called as packages install them.
func (b *Book) Write(dir string) error {
	name := b.App.Name
	files := map[string]string{
		"man/" + name + ".8":                b.Program(),
		"man/" + name + ".conf.5":           b.Configuration(),
		"etc/" + name + ".conf":             b.File(),
		"completion/bash/" + name:           cmdline.Completion(b.App, "bash"),
		"completion/zsh/_" + name:           cmdline.Completion(b.App, "zsh"),
		"completion/fish/" + name + ".fish": cmdline.Completion(b.App, "fish"),
	}
	for file, text := range files {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Program is the page of section 8.
func (b *Book) Program() string {
	p := new(page)
	name := b.App.Name
	p.title(name, 8, b.Title)
	p.section("SYNOPSIS")
	p.printf("%s [%s] %s [%s] [%s]\n", bold(name), italic("OPTION..."), italic("COMMAND"), italic("OPTION..."), italic("ARGUMENT..."))
	p.section("DESCRIPTION")
	p.text(b.About)
	p.section("COMMANDS")
	for _, c := range b.App.VisibleCommands() {
		command(p, "", c)
	}
	p.section("OPTIONS")
	p.text("These may stand anywhere on the command line, before or behind the command.")
	options(p, b.App.Flags)
	p.tagged(bold("--help")+", "+bold("-h"), "Show help: of the program, or of the command that is named.")
	entries(p, "FILES", b.Files)
	entries(p, "SIGNALS", b.Signals)
	p.section("EXIT STATUS")
	meanings := fault.Meanings()
	for _, code := range b.Exits {
		p.tagged(bold(fmt.Sprint(code)), meanings[code])
	}
	p.section("EXAMPLES")
	for i, e := range b.Examples {
		if i > 0 {
			p.WriteString(".PP\n")
		}
		p.text(e.Text)
		p.example(e.Term)
	}
	b.seeAlso(p, name+".conf(5)")
	return p.String()
}

// command describes a command, and those below it.
func command(p *page, above string, c *cli.Command) {
	p.part(strings.TrimSpace(above + c.Name + " " + c.ArgsUsage))
	p.text(sentence(c.Usage))
	if c.Description != "" {
		p.WriteString(".PP\n")
		p.text(c.Description)
	}
	options(p, c.Flags)
	for _, sub := range cmdline.Subcommands(c) {
		command(p, above+c.Name+" ", sub)
	}
}

func options(p *page, flags []cli.Flag) {
	for _, d := range cmdline.Options(flags) {
		var names []string
		for _, n := range d.Names {
			names = append(names, bold(n))
		}
		term := strings.Join(names, ", ")
		if d.Value != "" {
			term += " " + italic(d.Value)
		}
		text := sentence(d.Usage)
		if d.Default != "" {
			text += " The default is " + d.Default + "."
		}
		p.tagged(term, text)
	}
}

// sentence makes a sentence of the words of a help text.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

func entries(p *page, title string, list []Entry) {
	if len(list) == 0 {
		return
	}
	p.section(title)
	for _, e := range list {
		p.tagged(bold(e.Term), e.Text)
	}
}

func (b *Book) seeAlso(p *page, first string) {
	p.section("SEE ALSO")
	var refs []string
	for _, ref := range append([]string{first}, b.SeeAlso...) {
		name, section, _ := strings.Cut(ref, "(")
		refs = append(refs, bold(name)+"("+section)
	}
	p.WriteString(strings.Join(refs, ",\n") + "\n")
}

// Configuration is the page of section 5.
func (b *Book) Configuration() string {
	p := new(page)
	name := b.App.Name
	p.title(name+".conf", 5, b.ConfTitle)
	p.section("SYNOPSIS")
	p.printf("%s\n.br\n%s\n", inner("/etc/"+name+"/"+name+".conf"), inner("/etc/"+name+"/"+name+".conf.d/*.conf"))
	p.section("DESCRIPTION")
	p.text(b.ConfAbout)
	for _, s := range b.sections() {
		p.section("KEYS OF [" + s + "]")
		for _, k := range b.Keys {
			if k.Section == s {
				p.tagged(bold(k.Name)+" = "+italic(k.values()), k.Sentence+" "+k.fallback())
			}
		}
	}
	if slices.ContainsFunc(b.Keys, func(k Key) bool { return k.PerNIC }) {
		p.section("KEYS OF [nic NAME]")
		p.text("NAME is the name of a NIC, or its MAC. What stands here holds for that NIC only:")
		var names []string
		for _, k := range b.Keys {
			if k.PerNIC {
				names = append(names, bold(k.Name))
			}
		}
		p.WriteString(".PP\n" + strings.Join(names, ",\n") + ".\n")
	}
	b.seeAlso(p, name+"(8)")
	return p.String()
}

// sections are those of the keys, in their order.
func (b *Book) sections() []string {
	var out []string
	for _, k := range b.Keys {
		if !slices.Contains(out, k.Section) {
			out = append(out, k.Section)
		}
	}
	return out
}

func (k Key) values() string {
	if k.Unit == "" {
		return k.Values
	}
	return k.Values + " (" + k.Unit + ")"
}

func (k Key) fallback() string {
	if k.Default == "" {
		return "It is empty by default."
	}
	return "The default is `" + k.Default + "`."
}

// File is the configuration file that a package installs: every key with its default, as a comment.
func (b *Book) File() string {
	var f strings.Builder
	comment(&f, "; ", b.Conf)
	for _, s := range b.sections() {
		head := "[" + s + "]"
		if _, set := b.Set[head]; !set && strings.Contains(s, " ") {
			head = ";" + head
		}
		fmt.Fprintf(&f, "\n%s\n", head)
		for _, k := range b.Keys {
			if k.Section != s {
				continue
			}
			f.WriteString("\n")
			comment(&f, "; ", wrap(k.Sentence, 110))
			comment(&f, "; ", wrap("Values: "+k.values(), 110))
			if line, set := b.Set[k.Name]; set {
				f.WriteString(line + "\n")
			} else {
				f.WriteString(strings.TrimRight(";"+k.Name+" = "+k.Default, " ") + "\n")
			}
		}
	}
	return f.String()
}

func comment(f *strings.Builder, sign, text string) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		f.WriteString(strings.TrimRight(sign+line, " ") + "\n")
	}
}

// wrap breaks text into lines of at most so many bytes, where a word allows it.
func wrap(text string, width int) string {
	var b strings.Builder
	n := 0
	for _, w := range strings.Fields(text) {
		switch {
		case n > 0 && n+1+len(w) > width:
			b.WriteByte('\n')
			n = 0
		case n > 0:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(w)
		n += len(w)
	}
	return b.String()
}
