package cmdline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/pkg/inifile"
)

// reorder puts each option where the library looks for it: global ones before the command, the
// command's own behind its name, arguments last. The library takes an option that follows an argument
// for another argument (`lease eth0 --json` would lease on a NIC called --json), and people write
// options where they think of them.
func (p *Program) reorder(app *cli.App, args []string) ([]string, error) {
	if len(args) == 0 {
		return []string{app.Name}, nil
	}
	if len(args) > 1 && args[1] == "help" {
		return p.helpCommand(app, args)
	}
	var global, own, rest []string
	command, path := commandOf(app, args)
	named := 0 // words of the path so far
	for i := 1; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--":
			rest = append(rest, args[i+1:]...)
			i = len(args)
		case len(a) > 1 && a[0] == '-':
			name, _, hasValue := strings.Cut(strings.TrimLeft(a, "-"), "=")
			if name == "help" || name == "h" {
				return help(args[0], path), nil
			}
			f, isOwn := findFlag(app, command, name)
			if f == nil {
				return nil, p.unknownOption(app, command, path, a)
			}
			taken := []string{a}
			if takesValue(f) && !hasValue {
				if i++; i == len(args) {
					return nil, p.Usagef("option %s needs a value", a)
				}
				taken = append(taken, args[i])
			}
			if isOwn {
				own = append(own, taken...)
			} else {
				global = append(global, taken...)
			}
		case named < len(path):
			named++
		default:
			rest = append(rest, a)
		}
	}
	out := append([]string{args[0]}, global...)
	out = append(append(out, path...), own...)
	if len(rest) > 0 {
		out = append(append(out, "--"), rest...)
	}
	return out, nil
}

// commandOf is the command that a line is for, and the words that name it, which may have options between them.
func commandOf(app *cli.App, args []string) (command *cli.Command, path []string) {
	for i := 1; i < len(args) && args[i] != "--"; i++ {
		a := args[i]
		if len(a) > 1 && a[0] == '-' {
			name, _, hasValue := strings.Cut(strings.TrimLeft(a, "-"), "=")
			if f, _ := findFlag(app, command, name); f != nil && takesValue(f) && !hasValue {
				i++
			}
			continue
		}
		next := app.Command(a)
		if command != nil {
			next = subcommand(command, a)
		}
		if next == nil {
			break
		}
		command, path = next, append(path, next.Name)
	}
	return command, path
}

// helpCommand answers `help` and `help COMMAND`.
func (p *Program) helpCommand(app *cli.App, args []string) ([]string, error) {
	_, path := commandOf(app, args[1:])
	if len(path) == 0 && len(args) > 2 {
		return nil, p.noCommand(app.Commands, args[2])
	}
	return help(args[0], path), nil
}

// noCommand is the error of a word that is none of the commands.
func (p *Program) noCommand(commands []*cli.Command, word string) error {
	var names []string
	for _, c := range commands {
		if !c.Hidden && c.Name != "help" {
			names = append(names, c.Name)
		}
	}
	return p.Usagef("no command %.80q; %s", word, inifile.Suggest(word, names))
}

// NeedsSubcommand is the action of a command that does nothing by itself.
func (p *Program) NeedsSubcommand(c *cli.Context) error {
	if word := c.Args().First(); word != "" {
		return fmt.Errorf("%s: %w", c.Command.Name, p.noCommand(c.Command.Subcommands, word))
	}
	var names []string
	for _, sub := range Subcommands(c.Command) {
		names = append(names, sub.Name)
	}
	last := len(names) - 1
	return p.Usagef("%s: write %s or %s behind it", c.Command.Name, strings.Join(names[:last], ", "), names[last])
}

// unknownOption is the error of an option that neither the command nor the program has.
func (p *Program) unknownOption(app *cli.App, command *cli.Command, path []string, option string) error {
	flags, of := app.Flags, ""
	names := []string{"--version"} // which no list shows, since there is a command
	if command != nil {
		names = nil
		flags, of = slices.Concat(command.Flags, flags), " of "+strings.Join(path, " ")
	}
	for _, o := range Options(flags) {
		names = append(names, o.Names[0])
	}
	name, _, _ := strings.Cut(option, "=")
	return p.Usagef("unknown option %.80s%s; %s", option, of, inifile.Suggest(name, names))
}

// help asks for the help of a command, or of the whole; the library would take arguments for topics.
func help(program string, path []string) []string {
	return append(append([]string{program}, path...), "--help")
}

// subcommand is the one of that name below a command, nil if there is none.
func subcommand(c *cli.Command, name string) *cli.Command {
	i := slices.IndexFunc(c.Subcommands, func(sub *cli.Command) bool { return sub.HasName(name) })
	if i < 0 {
		return nil
	}
	return c.Subcommands[i]
}

// findFlag looks for a flag among the command's own and then among the global ones.
func findFlag(app *cli.App, command *cli.Command, name string) (f cli.Flag, own bool) {
	has := func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }
	if command != nil {
		if i := slices.IndexFunc(command.Flags, has); i >= 0 {
			return command.Flags[i], true
		}
	}
	if i := slices.IndexFunc(app.Flags, has); i >= 0 {
		return app.Flags[i], false
	}
	return nil, false
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}
