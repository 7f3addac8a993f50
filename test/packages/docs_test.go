package packages

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestManualPagesAreCorrectForMandoc(t *testing.T) {
	m := boot(t)
	dir, err := docs()
	check(t, err)
	pages, err := filepath.Glob(filepath.Join(dir, "man", "*"))
	check(t, err)
	if len(pages) != 4 {
		t.Fatalf("%d pages", len(pages))
	}
	for _, page := range pages {
		name := "/tmp/" + filepath.Base(page)
		m.put(name, page)
		// A page without a date is meant so: two builds have the same bytes. Questions of style are ours.
		if r := m.do("mandoc", "-T", "lint", "-W", "warning", name); strings.TrimSpace(without(r.Stdout, "missing date")) != "" {
			t.Errorf("%s:\n%s", name, r.Stdout)
		}
		if text := m.must("mandoc", "-T", "html", name); !strings.Contains(text, ">DESCRIPTION<") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

// without leaves out the lines that have the text in them.
func without(lines, text string) string {
	var out []string
	for line := range strings.Lines(lines) {
		if !strings.Contains(line, text) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// completionCases are what somebody has typed, and what must be offered among others, and what not.
var completionCases = []struct{ typed, want, not string }{
	{"v6guest le", "lease", "release"},
	{"v6guest ", "wait-online", "help"},
	{"v6guest lease l", "lo", "lease"},
	{"v6guest lease --ti", "--timeout", "--json"},
	{"v6guest configure --apply ", "live", "debug"},
	{"v6guest --log-level d", "debug", "info"},
	{"v6guest --run-dir /run status --j", "--json", "--timeout"},
	{"v6guest completion z", "zsh", "bash"},
	{"v6responder ch", "check-config", "serve"},
	{"v6responder --config /etc/host", "hostname", "serve"},
}

func TestShellsCompleteTheCommandLine(t *testing.T) {
	m := boot(t)
	dir, err := docs()
	check(t, err)
	m.must("mount", "-t", "devpts", "devpts", "/dev/pts") // for zsh's pseudo terminal
	for shell, script := range map[string]string{
		"bash": `. /tmp/completion/bash/$1
line=$2; read -ra COMP_WORDS <<<"$line"; [[ $line == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _$1; printf '%s\n' "${COMPREPLY[@]}"`,
		"fish": `source /tmp/completion/fish/$argv[1].fish; complete -C "$argv[2]" | string split -f 1 \t`,
		// A shell of its own on a pseudo terminal: it lists what it would offer.
		"zsh": `zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PS1=; PS2=; RPS1=; unsetopt prompt_sp; autoload -Uz compinit; compinit -D -u; fpath=(/tmp/completion/zsh $fpath); . /tmp/completion/zsh/_'$1
zpty -w z 'comppostfuncs=(); function compadd { local -a found; builtin compadd -O found "$@"; print -l -- OFFER:${^found}; builtin compadd "$@" }; bindkey "^I" complete-word; function zle-line-init { print REA""DY }; zle -N zle-line-init'
zpty -r -m z out '*READY*'
zpty -w -n z "$2"$'\t'
zpty -w -n z $'\x15'"print DO""NE"$'\n'
while zpty -r z out '*'$'\n'; do
	print -r -- ${out//$'\r'/}
	[[ $out == *DONE* ]] && break
done
zpty -d z`,
	} {
		t.Run(shell, func(t *testing.T) {
			for _, program := range []string{"v6guest", "v6responder"} {
				name := map[string]string{"bash": program, "zsh": "_" + program, "fish": program + ".fish"}[shell]
				m.put("/tmp/completion/"+shell+"/"+name, filepath.Join(dir, "completion", shell, name))
			}
			for _, tt := range completionCases {
				program, _, _ := strings.Cut(tt.typed, " ")
				r := m.do(shell, "-c", script, shell, program, tt.typed)
				if shell == "fish" {
					r = m.do(shell, "-c", script, program, tt.typed)
				}
				var offered []string
				for _, word := range strings.Fields(r.Stdout) {
					_, offer, ok := strings.Cut(word, "OFFER:")
					switch {
					case ok:
						offered = append(offered, path.Base(offer))
					case shell != "zsh":
						offered = append(offered, path.Base(word))
					}
				}
				if !slices.Contains(offered, tt.want) || slices.Contains(offered, tt.not) {
					t.Errorf("%q: offered %q, want %s and not %s\n%s", tt.typed, offered, tt.want, tt.not, r.Stderr)
				}
			}
		})
	}
}
