// Command figures measures what docs/performance.md says: how long it takes from the start of a
// client to a usable address and where the time goes, for v6guest and for others on the same pair of
// machines in one run; and what the agent costs while nothing happens. It prints tables in Markdown.
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

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

func main() {
	bin := flag.String("bin", "bin", "the folder with v6guest and v6responder")
	count := flag.Int("count", 20, "how often each client leases")
	kind := flag.String("peer", string(peer.V6responder), "who serves: v6responder, dnsmasq or kea")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *bin, peer.Kind(*kind), *count)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin string, kind peer.Kind, count int) error {
	if count < 1 {
		return errors.New("-count: once at least")
	}
	dir, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	root, err := roots.Get(ctx, roots.Peers, os.Stderr)
	if err != nil {
		return err
	}
	options := cloud.Options{Root: root, Bin: dir, Networks: 1}
	if err := timeToAddress(ctx, options, kind, count); err != nil {
		return err
	}
	options.Networks = 2
	if err := idle(ctx, options, kind); err != nil {
		return err
	}
	return sizes(dir)
}

// sizes prints how big the programs are.
func sizes(bin string) error {
	fmt.Printf("\n| program | size |\n|---|---|\n")
	for _, name := range []string{"v6guest", "v6responder"} {
		info, err := os.Stat(filepath.Join(bin, name))
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %.1f MiB |\n", name, float64(info.Size())/(1<<20))
	}
	return nil
}
