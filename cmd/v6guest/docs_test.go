package main

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/guest"
)

func TestTheManualHasEveryCommandOptionAndKey(t *testing.T) {
	e := &env{newProgram(io.Discard, io.Discard)}
	b := e.book()
	program := strings.NewReplacer(`\fB`, "", `\fI`, "", `\fR`, "", `\-`, "-").Replace(b.Program())
	want := []string{"EXIT STATUS", "\n.TP\n6\n"}
	for _, c := range b.App.Commands {
		want = append(want, "\n.SS "+c.Name)
		for _, d := range cmdline.Options(c.Flags) {
			want = append(want, "\n"+d.Names[0])
		}
	}
	for _, text := range want {
		if !strings.Contains(program, text) {
			t.Errorf("v6guest(8) has no %q:\n%s", text, program)
		}
	}
	conf, file := b.Configuration(), b.File()
	for _, k := range guest.Keys() {
		if !strings.Contains(conf, `\fB`+k.Name+`\fR = `) {
			t.Errorf("v6guest.conf(5) has no %s", k.Name)
		}
		if !strings.Contains(file, strings.TrimRight("\n;"+k.Name+" = "+k.Default, " ")+"\n") {
			t.Errorf("the configuration file has no %s", k.Name)
		}
	}
}

func TestTheConfigurationFileHoldsTheDefaults(t *testing.T) {
	e := &env{newProgram(io.Discard, io.Discard)}
	file := e.book().File()
	for name, text := range map[string]string{
		"as it is": file, "with every key uncommented": regexp.MustCompile(`(?m)^;(\w+ =)`).ReplaceAllString(file, "$1"),
	} {
		c := guest.DefaultConfig()
		if err := c.Parse(name, []byte(text)); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(guest.DefaultConfig().Settings, c.Settings); diff != "" {
			t.Errorf("%s (-defaults +file):\n%s", name, diff)
		}
	}
}
