package cmdline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// shells are those that completion is made for.
var shells = map[string]func(*cli.App) string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}

// Completion is what the shell (bash, zsh or fish) reads to complete the command line of an application
// that Finish has finished.
func Completion(app *cli.App, shell string) string { return shells[shell](app) }

func (p *Program) completionCommand(app *cli.App) *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print what makes a shell complete this program's command line", ArgsUsage: "bash|zsh|fish",
		Description: "The packages install it. By hand, for this shell:  source <(" + p.Name + " completion bash)",
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 || shells[c.Args().First()] == nil {
				return p.Usagef("completion: name one shell: bash, zsh or fish")
			}
			p.Raw(shells[c.Args().First()](app))
			return nil
		},
	}
}

// Nothing of what is typed is ever evaluated: the scripts hold the words themselves. Of NICs only those
// are offered whose names no shell could take for anything else.

const bashScript = `# bash completion for %[1]s, made by: %[1]s completion bash
_%[1]s() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command= words= options= i
	if [[ $cur == "=" ]]; then
		cur=
	elif [[ $prev == "=" ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		%[2]s) # a value follows
			[[ ${COMP_WORDS[i + 1]} == "=" ]] && ((i++))
			((i++)) ;;
		-*) ;;
		*) [[ -z $command ]] && command=${COMP_WORDS[i]} ;;
		esac
	done
	COMPREPLY=()
	case $prev in
%[3]s	esac
	if [[ -z $words ]]; then
		case $command in
%[4]s		esac
		[[ $cur == -* ]] && words=$options
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
_%[1]s_nics() {
	local nic
	for nic in /sys/class/net/*; do
		nic=${nic##*/}
		[[ $nic == *[!A-Za-z0-9._@-]* ]] || printf '%%s ' "$nic"
	done
}
complete -F _%[1]s %[1]s
`

func bashCompletion(app *cli.App) string {
	var valued []string
	var values, commands strings.Builder
	add := func(d Described) {
		if d.Value == "" || slices.Contains(valued, d.Names[0]) {
			return
		}
		valued = append(valued, d.Names...)
		names := strings.Join(d.Names, "|")
		switch {
		case len(d.Words) > 0:
			fmt.Fprintf(&values, "\t%s) words=%q ;;\n", names, strings.Join(d.Words, " "))
		case d.File:
			fmt.Fprintf(&values, "\t%s)\n\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n\t\tcompopt -o filenames 2>/dev/null\n\t\treturn ;;\n", names)
		default:
			fmt.Fprintf(&values, "\t%s) return ;;\n", names)
		}
	}
	for _, d := range Options(app.Flags) {
		add(d)
	}
	global := names(Options(app.Flags))
	fmt.Fprintf(&commands, "\t\t\"\") words=%q options=%q ;;\n", strings.Join(commandNames(app), " "), global)
	for _, c := range app.VisibleCommands() {
		own := commandOptions(c)
		for _, d := range own {
			add(d)
		}
		words := fmt.Sprintf("%q", strings.Join(argumentWords(c), " "))
		if takesNICs(c) {
			words = "$(_" + app.Name + "_nics)"
		}
		fmt.Fprintf(&commands, "\t\t%s) words=%s options=%q ;;\n", strings.Join(c.Names(), "|"), words, strings.TrimSpace(names(own)+" "+global))
	}
	return fmt.Sprintf(bashScript, app.Name, strings.Join(valued, "|"), values.String(), commands.String())
}

// commandOptions are those of a command and of the commands below it.
func commandOptions(c *cli.Command) []Described {
	out := Options(c.Flags)
	for _, sub := range Subcommands(c) {
		for _, d := range Options(sub.Flags) {
			if !slices.ContainsFunc(out, func(o Described) bool { return o.Names[0] == d.Names[0] }) {
				out = append(out, d)
			}
		}
	}
	return out
}

func commandNames(app *cli.App) []string {
	var out []string
	for _, c := range app.VisibleCommands() {
		out = append(out, c.Name)
	}
	return out
}

func names(options []Described) string {
	var out []string
	for _, d := range options {
		out = append(out, d.Names...)
	}
	return strings.Join(append(out, "--help"), " ")
}

const zshScript = `#compdef %[1]s
# zsh completion for %[1]s, made by: %[1]s completion zsh
_%[1]s_nics() {
	local -a nics
	nics=(/sys/class/net/*(N:t))
	nics=(${nics:#*[^A-Za-z0-9._@-]*})
	compadd -a nics
}
_%[1]s() {
	local -a commands globals
	local state state_descr line context
	typeset -A opt_args
	commands=(
%[2]s	)
	globals=(
%[3]s	)
	_arguments -C $globals '1:command:->command' '*::argument:->argument'
	case $state in
	command) _describe command commands ;;
	argument)
		case $words[1] in
%[4]s		esac ;;
	esac
}
if [ "$funcstack[1]" = "_%[1]s" ]; then
	_%[1]s "$@"
else
	compdef _%[1]s %[1]s
fi
`

func zshCompletion(app *cli.App) string {
	var commands, globals, cases strings.Builder
	for _, d := range append(Options(app.Flags), Described{Names: []string{"--help"}, Usage: "show help"}) {
		for _, spec := range zshSpecs(d) {
			fmt.Fprintf(&globals, "\t\t%s\n", spec)
		}
	}
	for _, c := range app.VisibleCommands() {
		fmt.Fprintf(&commands, "\t\t%s\n", quote(strings.ReplaceAll(c.Name, ":", `\:`)+":"+c.Usage))
		fmt.Fprintf(&cases, "\t\t%s) _arguments $globals", strings.Join(c.Names(), "|"))
		for _, d := range commandOptions(c) {
			for _, spec := range zshSpecs(d) {
				cases.WriteString(" \\\n\t\t\t" + spec)
			}
		}
		if words := argumentWords(c); takesNICs(c) {
			fmt.Fprintf(&cases, " \\\n\t\t\t'*:NIC:_%s_nics'", app.Name)
		} else if len(words) > 0 {
			fmt.Fprintf(&cases, " \\\n\t\t\t%s", quote("1:argument:("+strings.Join(words, " ")+")"))
		}
		cases.WriteString(" ;;\n")
	}
	return fmt.Sprintf(zshScript, app.Name, commands.String(), globals.String(), cases.String())
}

// zshSpecs are what _arguments understands of an option, one for each of its names.
func zshSpecs(d Described) []string {
	var out []string
	for _, name := range d.Names {
		usage := strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`).Replace(d.Usage)
		spec := name
		if d.Value != "" && strings.HasPrefix(name, "--") {
			spec += "="
		}
		spec += "[" + usage + "]"
		switch {
		case len(d.Words) > 0:
			spec += ":value:(" + strings.Join(d.Words, " ") + ")"
		case d.File:
			spec += ":" + d.Value + ":_files"
		case d.Value != "":
			spec += ":" + strings.ReplaceAll(d.Value, ":", `\:`) + ":"
		}
		out = append(out, quote(spec))
	}
	return out
}

func fishCompletion(app *cli.App) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# fish completion for %[1]s, made by: %[1]s completion fish\ncomplete -c %[1]s -f\n", app.Name)
	line := func(when string, d Described) {
		fmt.Fprintf(&b, "complete -c %s", app.Name)
		if when != "" {
			b.WriteString(" -n " + quote(when))
		}
		for _, n := range d.Names {
			if name, long := strings.CutPrefix(n, "--"); long {
				b.WriteString(" -l " + name)
			} else {
				b.WriteString(" -s " + n[1:])
			}
		}
		switch {
		case len(d.Words) > 0:
			b.WriteString(" -x -a " + quote(strings.Join(d.Words, " ")))
		case d.File:
			b.WriteString(" -r -F")
		case d.Value != "":
			b.WriteString(" -x")
		}
		b.WriteString(" -d " + quote(d.Usage) + "\n")
	}
	for _, d := range append(Options(app.Flags), Described{Names: []string{"--help"}, Usage: "show help"}) {
		line("", d)
	}
	for _, c := range app.VisibleCommands() {
		fmt.Fprintf(&b, "complete -c %s -n __fish_use_subcommand -a %s -d %s\n", app.Name, c.Name, quote(c.Usage))
		seen := "__fish_seen_subcommand_from " + strings.Join(c.Names(), " ")
		if takesNICs(c) {
			fmt.Fprintf(&b, "complete -c %s -n %s -a '(basename -a /sys/class/net/*)' -d NIC\n", app.Name, quote(seen))
		} else if words := argumentWords(c); len(words) > 0 {
			fmt.Fprintf(&b, "complete -c %s -n %s -a %s\n", app.Name, quote(seen), quote(strings.Join(words, " ")))
		}
		for _, d := range commandOptions(c) {
			line(seen, d)
		}
	}
	return b.String()
}

// quote quotes for a POSIX shell, and for fish, which takes no other escape for an apostrophe.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'" }
