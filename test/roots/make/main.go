// Command make makes the roots that the tests use, where the cache lacks them, and prints their folders.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/v6guest/v6guest/test/roots"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := makeAll(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "roots:", err)
		os.Exit(1)
	}
}

func makeAll(ctx context.Context) error {
	for _, s := range roots.All {
		dir, err := roots.Get(ctx, s, os.Stderr)
		if err != nil {
			return err
		}
		fmt.Println(dir)
	}
	return nil
}
