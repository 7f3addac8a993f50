package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite what the scripts compare with cmp")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"v6guest": func() { os.Exit(mainExit()) }})
}

// TestScripts runs the program as a person does. None of the scripts touches a NIC of this machine.
func TestScripts(t *testing.T) {
	images, err := filepath.Abs("../../testdata/distro")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, UpdateScripts: *update,
		Condition: func(cond string) (bool, error) {
			if cond != "root" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return os.Geteuid() == 0, nil
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("IMAGES", images) // root folders of pkg/distro's golden cases
			return nil
		},
	})
}
