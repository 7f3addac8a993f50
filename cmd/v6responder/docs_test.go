package main

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/responder"
)

func TestTheManualHasEveryCommandOptionAndKey(t *testing.T) {
	e := &env{Program: newProgram(io.Discard, io.Discard)}
	b := e.book()
	program := strings.NewReplacer(`\fB`, "", `\fI`, "", `\fR`, "", `\-`, "-").Replace(b.Program())
	for _, c := range b.App.Commands {
		want := []string{"\n.SS " + c.Name}
		for _, d := range cmdline.Options(c.Flags) {
			want = append(want, "\n"+d.Names[0])
		}
		for _, text := range want {
			if !strings.Contains(program, text) {
				t.Errorf("v6responder(8) has no %q:\n%s", text, program)
			}
		}
	}
	conf, file := b.Configuration(), b.File()
	for _, k := range responder.Keys() {
		if !strings.Contains(conf, `\fB`+k.Name+`\fR = `) {
			t.Errorf("v6responder.conf(5) has no %s", k.Name)
		}
		if line := strings.TrimRight(";"+k.Name+" = "+k.Default, " "); !strings.Contains(file, "\n"+line+"\n") && b.Set[k.Name] == "" {
			t.Errorf("the configuration file has no %s", k.Name)
		}
	}
}

// TestTheConfigurationFileHoldsTheDefaults: with a network filled in, the file says the same whether its
// other keys are comments or not.
func TestTheConfigurationFileHoldsTheDefaults(t *testing.T) {
	e := &env{Program: newProgram(io.Discard, io.Discard)}
	file := e.book().File()
	if _, err := responder.ParseConfig("as it is", []byte(file)); err == nil || !strings.Contains(err.Error(), "network") {
		t.Errorf("a file without a network: %v", err)
	}
	filled := strings.NewReplacer(";[network NAME]", "[network guests]", ";interface =", "interface = eth1", ";prefix =", "prefix = 2001:db8:1::/64").Replace(file)
	want, err := responder.ParseConfig("filled in", []byte(filled))
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`(?m)^;(\w+ =)`).ReplaceAllString(filled, "$1")
	got, err := responder.ParseConfig("uncommented", []byte(all))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Networks[0].RA, got.Networks[0].RA); diff != "" {
		t.Errorf("(-commented +uncommented):\n%s", diff)
	}
	if want.Identity != got.Identity || want.Networks[0].Preferred != got.Networks[0].Preferred || len(got.Warnings) != len(want.Warnings) {
		t.Errorf("commented %+v\nuncommented %+v", want, got)
	}
}
