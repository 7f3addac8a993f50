// Command v6guest gives a cloud guest its reserved IPv6 address on every NIC: `v6guest run` is the
// agent that keeps it, `v6guest lease eth0` leases once, the others ask and report.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/guest"
)

// version is set by the linker (-X main.version=…).
var version = "devel"

func newProgram(stdout, stderr io.Writer) cmdline.Program {
	return cmdline.Program{Name: "v6guest", Version: version, Stdout: stdout, Stderr: stderr}
}

// mainExit runs the command line and returns the exit code (decision 15 of the design).
//
// SIGTERM and SIGINT stop. SIGUSR1 stops for a restart, after which another agent follows at once; it is
// systemd's RestartKillSignal.
func mainExit() int {
	cmdline.CrashBySignal()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGUSR1)
	go func() {
		switch got := <-signals; got {
		case syscall.SIGUSR1:
			cancel(guest.ErrRestart)
		default:
			cancel(fmt.Errorf("%v: %w", got, context.Canceled))
		}
		signal.Stop(signals) // a second one ends the program at once
	}()
	e := &env{newProgram(os.Stdout, os.Stderr)}
	return e.Exit(e.run(ctx, os.Args))
}
