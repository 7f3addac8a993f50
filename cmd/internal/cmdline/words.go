package cmdline

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// A choiceFlag is an option that takes one of a few words.
type choiceFlag struct {
	*cli.StringFlag
	words []string
}

// Choice is an option that takes one of the words; the shells' completion knows them.
func Choice(f *cli.StringFlag, words ...string) cli.Flag { return choiceFlag{f, words} }

// A Described is what completion and manual say of an option or a command.
type Described struct {
	Names []string // with their dashes; the first is the one to show
	Value string   // what stands for an option's value; "" where it takes none
	Usage string   // one sentence, without a full stop
	Words []string // the values that there are, where those are few
	File  bool     // the value names a file or folder

	Default string // "" where nothing is the default
}

// Describe says of an option what its help says.
func Describe(f cli.Flag) Described {
	var d Described
	for _, n := range f.Names() {
		if len(n) == 1 {
			d.Names = append(d.Names, "-"+n)
		} else {
			d.Names = append(d.Names, "--"+n)
		}
	}
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return d
	}
	d.Usage = strings.ReplaceAll(doc.GetUsage(), "`", "")
	if c, ok := f.(choiceFlag); ok {
		d.Words, f = c.words, c.StringFlag
	}
	if s, ok := f.(*cli.StringFlag); ok {
		d.File = s.TakesFile
	}
	if doc.TakesValue() {
		d.Default = doc.GetValue()
		d.Value = "VALUE"
		if _, rest, ok := strings.Cut(doc.GetUsage(), "`"); ok {
			d.Value, _, _ = strings.Cut(rest, "`")
		} else if len(d.Words) > 0 {
			d.Value = strings.Join(d.Words, "|")
		}
	}
	return d
}

// Options describes the options that are not hidden.
func Options(flags []cli.Flag) []Described {
	var out []Described
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() || slices.Contains(f.Names(), "help") {
			continue
		}
		out = append(out, Describe(f))
	}
	return out
}

// Subcommands are the commands below one, without the help that the library adds to each.
func Subcommands(c *cli.Command) []*cli.Command {
	return slices.DeleteFunc(c.VisibleCommands(), func(sub *cli.Command) bool { return sub.Name == "help" })
}

// argumentWords are the words that may follow a command.
func argumentWords(c *cli.Command) []string {
	var words []string
	for _, sub := range Subcommands(c) {
		words = append(words, sub.Name)
	}
	if strings.Contains(c.ArgsUsage, "|") {
		words = append(words, strings.FieldsFunc(c.ArgsUsage, func(r rune) bool { return strings.ContainsRune("|[] ", r) })...)
	}
	return words
}

// takesNICs says whether the command's arguments are NICs.
func takesNICs(c *cli.Command) bool { return strings.Contains(c.ArgsUsage, "NIC") }
