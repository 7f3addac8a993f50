package main

import (
	"flag"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite what the scripts compare with cmp")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"v6guest": func() { os.Exit(mainExit()) }})
}

// TestScripts runs the program as a person does. None of the scripts touches a NIC of this machine.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, UpdateScripts: *update})
}
