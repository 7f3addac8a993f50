package cmdline

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// reorder puts each option where the library looks for it: global ones before the command, the
// command's own behind its name, arguments last. The library takes an option that follows an argument
// for another argument (`lease eth0 --json` would lease on a NIC called --json), and people write
// options where they think of them.
func (p *Program) reorder(app *cli.App, args []string) ([]string, error) {
	if len(args) == 0 {
		return []string{app.Name}, nil
	}
	var (
		global, own, rest, path []string
		command                 *cli.Command
	)
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
				return nil, p.Usagef("unknown option %s%s", a, ofCommand(command))
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
		case command == nil && len(rest) == 0:
			if command = app.Command(a); command == nil {
				rest = append(rest, a)
			} else {
				path = append(path, command.Name)
			}
		case command != nil && len(rest) == 0 && subcommand(command, a) != nil:
			command = subcommand(command, a)
			path = append(path, command.Name)
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

func ofCommand(c *cli.Command) string {
	if c == nil {
		return ""
	}
	return " of " + c.Name
}
