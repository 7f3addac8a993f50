package cmdline

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/wire"
)

// prog is a program with two commands; each notes what it was called with.
func prog() (p *Program, app *cli.App, out, errs *strings.Builder) {
	out, errs = new(strings.Builder), new(strings.Builder)
	p = &Program{Name: "prog", Version: "1.2", Stdout: out, Stderr: errs}
	app = &cli.App{
		Flags: append([]cli.Flag{&cli.StringFlag{Name: "run-dir"}}, GlobalFlags("info")...),
		Commands: []*cli.Command{
			{
				Name: "lease", Flags: []cli.Flag{&cli.StringFlag{Name: "timeout"}, JSONFlag()},
				Action: func(c *cli.Context) error {
					log, err := p.Logger(c, "warn")
					if err != nil {
						return err
					}
					log.Info("quiet")
					log.Warn("leased", "after", 90*time.Second, "valid", wire.Infinite, "from", "\x1b[2J\u009b2J\u202e")
					p.Print("%q %q", c.String("timeout"), c.Args().Slice())
					return nil
				},
			},
			{Name: "group", Action: p.NeedsSubcommand, Subcommands: []*cli.Command{
				{Name: "first", Flags: []cli.Flag{JSONFlag()}, Action: p.NoArguments}, {Name: "second", Action: p.NoArguments},
			}},
			{Name: "status", Flags: []cli.Flag{JSONFlag()}, Action: func(c *cli.Context) error {
				return p.NoArguments(c)
			}},
		},
	}
	return p, app, out, errs
}

func TestOptionsWorkWhereverTheyStand(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"as the library wants it", "-v lease --json eth0", "-v lease --json -- eth0"},
		{"after the NIC's name", "lease eth0 --json -v --timeout 5s", "-v lease --json --timeout 5s -- eth0"},
		{"between NICs", "lease eth0 --timeout=5s eth1", "lease --timeout=5s -- eth0 eth1"},
		{"global ones after the command", "status --run-dir /tmp/x --json", "--run-dir /tmp/x status --json"},
		{"a value that looks like a command", "--run-dir lease status", "--run-dir lease status"},
		{"a NIC called as a command", "lease status", "lease -- status"},
		{"a NIC called as an option", "lease -- --json", "lease -- --json"},
		{"no such command", "leese eth0", "-- leese eth0"},
		{"a command's option before it", "--json lease eth0", "lease --json -- eth0"},
		{"and between its words", "group --json first", "group first --json"},
		{"help", "help", "--help"},
		{"help of a command as a command", "help group first", "group first --help"},
		{"help of a command, wherever", "lease eth0 --help", "lease --help"},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, app, _, _ := prog()
			got, err := p.reorder(app, append([]string{"prog"}, strings.Fields(tt.in)...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append([]string{"prog"}, strings.Fields(tt.want)...), got); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "no command given",
		"leese eth0":              `no command "leese"; did you mean "lease"?`,
		"help leese":              `no command "leese"; did you mean "lease"?`,
		"group":                   "group: write first or second behind it",
		"group frist":             `group: no command "frist"; did you mean "first"?`,
		"group first --jsn":       `unknown option --jsn of group first; did you mean "--json"?`,
		"status eth0":             `status takes no argument, but was given "eth0"`,
		"lease --jsn":             `unknown option --jsn of lease; did you mean "--json"?`,
		"--versionn":              `unknown option --versionn; did you mean "--version"?`,
		"lease --timeout":         "option --timeout needs a value",
		"lease --log-level loud":  `--log-level "loud": write debug, info, warn or error`,
		"lease --log-format yaml": `--log-format "yaml": write text or json`,
	} {
		p, app, out, errs := prog()
		code := p.Exit(p.Run(context.Background(), app, append([]string{"prog"}, strings.Fields(in)...)))
		want = "prog: " + want + "\nprog: try: prog --help, or prog COMMAND --help\n"
		if code != fault.ExitUsage || errs.String() != want || out.String() != "" {
			t.Errorf("%q: exit code %d, says %q, prints %q; want %q", in, code, errs, out, want)
		}
	}
}

func TestVersion(t *testing.T) {
	for in, want := range map[string]string{
		"version": "prog 1.2 (go", "--version": "prog 1.2 (go", "version --json": "{\n  \"arch\"", "--help": "NAME:\n   prog",
	} {
		p, app, out, errs := prog()
		if err := p.Run(context.Background(), app, append([]string{"prog"}, strings.Fields(in)...)); err != nil ||
			!strings.HasPrefix(out.String(), want) || errs.String() != "" {
			t.Errorf("%s: %v, prints %q, says %q", in, err, out, errs)
		}
	}
}

func TestFlagsShowNoDefaultThatIsNone(t *testing.T) {
	for _, in := range []string{"--help", "lease --help", "status --help", "version --help"} {
		p, app, out, _ := prog()
		if err := p.Run(context.Background(), app, append([]string{"prog"}, strings.Fields(in)...)); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "(default: false)") {
			t.Errorf("%s:\n%s", in, out)
		}
	}
}

func TestErrorsAreToldOnceWithTheirCure(t *testing.T) {
	p, _, _, errs := prog()
	err := errors.Join(fs.ErrPermission, fault.New(fault.ExitNotPermitted, "do this:\na = b\n\x1b", "eth0: \x1b[31m"))
	if code := p.Exit(err); code != fault.ExitNotPermitted {
		t.Errorf("exit code %d", code)
	}
	const want = "prog: permission denied\nprog: eth0: \\x1b[31m\nprog: try: do this:\n    a = b\n    \\x1b\n"
	if diff := cmp.Diff(want, errs.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if code := p.Exit(nil); code != fault.ExitDone {
		t.Errorf("no error: exit code %d", code)
	}
}

// full is a device without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestLostOutputIsAnError(t *testing.T) {
	p, app, _, _ := prog()
	p.Stdout = full{}
	if err := p.Run(context.Background(), app, []string{"prog", "lease"}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("%v", err)
	}
	if err := p.PrintJSON("x"); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("JSON: %v", err)
	}
}

func TestLog(t *testing.T) {
	for in, want := range map[string]string{
		"lease":                   `level=WARN msg=leased after=1m30s valid=infinite from="\x1b[2J\u009b2J\u202e"`,
		"lease --log-format=json": `"level":"WARN","msg":"leased","after":"1m30s","valid":"infinite","from":"\u001b[2J\u009b2J\u202e"}`,
		"lease --log-level=info":  `level=INFO msg=quiet`,
		"--log-level error lease": "",
	} {
		p, app, _, errs := prog()
		if err := p.Run(context.Background(), app, append([]string{"prog"}, strings.Fields(in)...)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(errs.String(), want) || want == "" && errs.String() != "" {
			t.Errorf("%s logs %q, want %q", in, errs, want)
		}
	}
}

func TestWhatComesFromPacketsIsEscaped(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"no address", "no address"},
		{`"quoted" stays`, `"quoted" stays`},
		{"\x1b[2Jgone\nnext", `\x1b[2Jgone\nnext`},
		{"right\u202eto left", `right\u202eto left`},
		{"bad \xff byte", `bad \xff byte`},
	} {
		if got := printable(tt.in); got != tt.want {
			t.Errorf("printable(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	p, _, out, _ := prog()
	if err := p.PrintJSON("\x1b\u202e\U000e0001é"); err != nil {
		t.Fatal(err)
	}
	if want := `"\u001b\u202e\udb40\udc01é"` + "\n"; out.String() != want {
		t.Errorf("JSON %q, want %q", out, want)
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 lines", 1: "1 line", 2: "2 lines"} {
		if got := Count(n, "line", "lines"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
