// Command v6guest gives a cloud guest its reserved IPv6 address on every NIC: `v6guest run` is the
// agent that keeps it, `v6guest lease eth0` leases once, the others ask and report.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
)

// version is set by the linker (-X main.version=…).
var version = "devel"

func newProgram(stdout, stderr io.Writer) cmdline.Program {
	return cmdline.Program{Name: "v6guest", Version: version, Stdout: stdout, Stderr: stderr}
}

// mainExit runs the command line and returns the exit code (decision 15 of the design).
func mainExit() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e := &env{newProgram(os.Stdout, os.Stderr)}
	return e.Exit(e.run(ctx, os.Args))
}
