// Command demo shows in network namespaces what v6guest is for: a guest with NICs in two networks
// gets its reserved address on both, has one default route, and gets all of it back after it was
// stopped and started. It says each step in plain words and shows the evidence, and its last line and
// exit code say whether all of it held.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

// limit is how long the demo may take; an event ends each of its waits long before.
const limit = 3 * time.Minute

func main() {
	bin := flag.String("bin", "bin", "the folder with v6guest and v6responder")
	kind := flag.String("peer", string(peer.V6responder), "who serves the networks: v6responder, dnsmasq or kea")
	logs := flag.Bool("logs", false, "show also what the programs log")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	out := newScreen(os.Stdout)
	err := run(ctx, out, *bin, peer.Kind(*kind), *logs)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case interrupted:
		out.verdict(false, "Interrupted. Everything that the demo made is gone.")
		os.Exit(130)
	case err != nil:
		out.verdict(false, "It did not work: "+err.Error())
		os.Exit(1)
	}
	out.verdict(true, "It works: both NICs have their reserved addresses, before and after a stop and start, and one default route.")
}

func run(ctx context.Context, out *screen, bin string, kind peer.Kind, logs bool) error {
	if os.Geteuid() != 0 {
		return lab.ErrNotRoot
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %s", limit))
	defer cancel()
	dir, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	root, err := roots.Get(ctx, roots.Peers, os.Stderr)
	if err != nil {
		return err
	}
	s := &story{out: out, kind: kind, root: root, bin: dir}
	if logs {
		s.logs = os.Stderr
	}
	return errors.Join(s.tell(ctx), s.end())
}
