package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// window is how long the idle agent is watched.
const window = time.Minute

// idle prints what an agent with two bound NICs costs while nothing happens: memory and wake-ups.
// The server's programs are stopped meanwhile, so that no packet is a reason to wake up.
func idle(ctx context.Context, o cloud.Options, kind peer.Kind) (err error) {
	c, err := cloud.New(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := errors.Join(c.Serve(ctx, kind), c.StartGuest(), c.Guest.WriteFile("/etc/v6guest/v6guest.conf", "[agent]\nnics = eth0 eth1\n")); err != nil {
		return err
	}
	p, err := c.Guest.Start("v6guest", "run")
	if err != nil {
		return err
	}
	alive, cancel := p.Guard(ctx)
	defer cancel()
	_, err = c.Guest.Await(alive, "both addresses", func(s lab.State) bool {
		return s.Usable("eth0", c.Nets[0].Reserved.Addr) && s.Usable("eth1", c.Nets[1].Reserved.Addr)
	})
	if err != nil {
		return err
	}
	if err := errors.Join(c.Nets[0].Server.Pause(), c.Nets[1].Server.Pause()); err != nil {
		return err
	}
	if err := pass(alive, window/6); err != nil { // what the last event set off comes to rest
		return err
	}
	before, err := readUsage(p.PID())
	if err != nil {
		return err
	}
	if err := pass(alive, window); err != nil {
		return err
	}
	after, err := readUsage(p.PID())
	if err != nil {
		return err
	}
	fmt.Printf("\nThe agent with two NICs bound, over %v without packets\n\n", window)
	fmt.Println("| resident memory | of that its own | wake-ups | threads |\n|---|---|---|---|")
	fmt.Printf("| %.1f MiB | %.1f MiB | %d | %d |\n", float64(after.resident)/1024, float64(after.anonymous)/1024, after.switches-before.switches, after.threads)
	return nil
}

// pass lets time go by: this is the one thing that a measurement of doing nothing waits for.
func pass(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A usage is what the kernel counts for a process: memory in KiB, and how often its threads went to
// sleep of their own will, which is once for each time that they were woken.
type usage struct{ resident, anonymous, switches, threads int }

func readUsage(pid int) (u usage, err error) {
	status, err := readStatus(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	u.resident, u.anonymous, u.threads = status["VmRSS"], status["RssAnon"], status["Threads"]
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil {
		return u, err
	}
	for _, task := range tasks {
		status, err := readStatus(task)
		if err != nil {
			return u, err
		}
		u.switches += status["voluntary_ctxt_switches"]
	}
	return u, nil
}

// readStatus reads the numbers of a status file of /proc.
func readStatus(path string) (map[string]int, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	numbers := map[string]int{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if fields := strings.Fields(value); len(fields) > 0 {
			if n, err := strconv.Atoi(fields[0]); err == nil {
				numbers[name] = n
			}
		}
	}
	return numbers, lines.Err()
}
