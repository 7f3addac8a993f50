// Command v6responder serves reserved IPv6 addresses on a router: `v6responder serve` is the DHCPv6 server
// and the Router Advertisement sender, the others check and ask.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/responder"
)

// version is set by the linker (-X main.version=…).
var version = "devel"

func newProgram(stdout, stderr io.Writer) cmdline.Program {
	return cmdline.Program{Name: "v6responder", Version: version, Stdout: stdout, Stderr: stderr}
}

// mainExit runs the command line and returns the exit code (decision 15 of the design).
//
// SIGTERM and SIGINT stop the server: guests are told that this router is none any more. SIGUSR1 stops
// it for a restart, without telling them (decision 14); it is systemd's RestartKillSignal.
func mainExit() int {
	cmdline.CrashBySignal()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGUSR1)
	defer signal.Stop(signals)
	go func() {
		if <-signals == syscall.SIGUSR1 {
			cancel(responder.ErrRestart)
		}
		cancel(nil)
	}()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	e := &env{newProgram(os.Stdout, os.Stderr), hangups}
	return e.Exit(e.run(ctx, os.Args))
}
