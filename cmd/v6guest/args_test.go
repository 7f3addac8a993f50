package main

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOptionsWorkWhereverTheyStand(t *testing.T) {
	app := (&env{stdout: io.Discard, stderr: io.Discard}).app()
	for _, tt := range []struct{ name, in, want string }{
		{"as the library wants it", "-v lease --json eth0", "-v lease --json -- eth0"},
		{"after the NIC's name", "lease eth0 --json -v --timeout 5s", "-v lease --json --timeout 5s -- eth0"},
		{"between NICs", "lease eth0 --timeout=5s eth1", "lease --timeout=5s -- eth0 eth1"},
		{"global ones after the command", "status --run-dir /tmp/x --json", "--run-dir /tmp/x status --json"},
		{"a value that looks like a command", "--run-dir lease status", "--run-dir lease status"},
		{"a NIC called as a command", "lease status", "lease -- status"},
		{"a NIC called as an option", "lease -- --json", "lease -- --json"},
		{"no such command", "leese eth0", "-- leese eth0"},
		{"help of a command, wherever", "lease eth0 --help", "lease --help"},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := reorder(app, append([]string{"v6guest"}, strings.Fields(tt.in)...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append([]string{"v6guest"}, strings.Fields(tt.want)...), got); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
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
	var b strings.Builder
	if err := printJSON(&b, "\x1b\u202e\U000e0001é"); err != nil {
		t.Fatal(err)
	}
	if want := `"\u001b\u202e\udb40\udc01é"` + "\n"; b.String() != want {
		t.Errorf("JSON %q, want %q", b.String(), want)
	}
}
