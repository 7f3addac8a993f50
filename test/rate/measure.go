package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/v6guest/v6guest/test/lab"
)

// A figure is what one load saw of one server.
type figure struct {
	Result
	cpu      time.Duration // of the server, an exchange
	rate     float64       // exchanges a second
	resident int           // KiB
	start    time.Duration // from the start of the server to its first answer
}

// A pair is a router with a server and a machine that plays all guests, joined by a cable.
type pair struct {
	lab            *lab.Lab
	router, guests *lab.Machine
	process        *lab.Process
	disk           string        // the router's /mnt
	start          time.Duration // from the start of the server to its first answer
}

// close ends both.
func (p *pair) close() error { return errors.Join(p.lab.Close(), os.RemoveAll(p.disk)) }

// serve boots a pair and starts the server.
func serve(ctx context.Context, root, bin string, s server, prepared setup) (p *pair, err error) {
	p = new(pair)
	if p.disk, err = os.MkdirTemp("", "rate"); err != nil {
		return nil, err
	}
	if p.lab, err = lab.New(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.disk))
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%s: %w", s.name, err), p.close())
		}
	}()
	for _, m := range []struct {
		name string
		to   **lab.Machine
	}{{"router", &p.router}, {"guests", &p.guests}} {
		if *m.to, err = p.lab.Boot(lab.Config{Name: m.name, Root: root, Bin: bin, Mnt: p.disk}); err != nil {
			return p, err
		}
	}
	err = lab.Cable(p.router, "eth0", net.HardwareAddr{2, 0, 0, 0, 0, 1}, p.guests, "eth0", net.HardwareAddr{2, 0, 0, 0, 0, 2})
	if err != nil {
		return p, err
	}
	for _, m := range []*lab.Machine{p.router, p.guests} {
		if err = errors.Join(m.Sysctl("net/ipv6/conf/eth0/accept_dad", "0"), m.Up("eth0")); err != nil {
			return p, err
		}
	}
	if err = p.router.AddAddress("eth0", "2001:db8:1::1/64"); err != nil {
		return p, err
	}
	for _, m := range []*lab.Machine{p.router, p.guests} {
		_, err = m.Await(ctx, "a link-local address", func(s lab.State) bool { return s.LinkLocal("eth0").IsValid() })
		if err != nil {
			return p, err
		}
	}
	prepared.pool = s.pool
	if s.configure != nil {
		if err = s.configure(ctx, p.router, prepared); err != nil {
			return p, err
		}
	}
	began := time.Now()
	if p.process, err = s.start(p.router); err != nil {
		return p, err
	}
	err = await(ctx, p.guests, filepath.Join(p.disk, "server.log"))
	p.start = time.Since(began)
	return p, err
}

// under puts a load on the server and measures what it cost.
func (p *pair) under(load func() (Result, error)) (f figure, err error) {
	f.start = p.start
	before, err := p.cpu()
	if err != nil {
		return f, err
	}
	if f.Result, err = load(); err != nil {
		return f, err
	}
	after, err := p.cpu()
	if f.Bound > 0 {
		f.cpu = (after - before) / time.Duration(f.Bound)
		f.rate = float64(f.Bound) / f.Took.Seconds()
	}
	return f, errors.Join(err, p.memory(&f))
}

// own is the load of our generator.
func (p *pair) own(ctx context.Context, args ...string) (Result, error) {
	r, err := p.guests.Run(ctx, append([]string{"rate", "load"}, args...)...)
	if err != nil {
		return Result{}, err
	}
	var saw Result
	if err := json.Unmarshal([]byte(r.Stdout), &saw); err != nil {
		return saw, fmt.Errorf("load: %w\n%s%s", err, r.Stdout, r.Stderr)
	}
	return saw, nil
}

var perfdhcpCount = regexp.MustCompile(`(?m)^(sent packets|received packets|drops): (\d+)`)

// perfdhcp is the load of Kea's tool at a rate.
//
// perfdhcp asks for no receive buffer, and the kernel's default (208 KiB) is some 5 ms of what it receives at 20,000
// exchanges a second: what it does not read in time it loses itself, whoever answers. So it gets a larger one.
func (p *pair) perfdhcp(ctx context.Context, rate, clients int, during time.Duration) (saw Result, err error) {
	var macs strings.Builder
	for n := range clients {
		m := macOf(n)
		macs.WriteString(net.HardwareAddr(m[:]).String() + "\n")
	}
	if err := p.guests.WriteFile("/tmp/macs", macs.String()); err != nil {
		return Result{}, err
	}
	before, err := p.overrun(ctx)
	if err != nil {
		return Result{}, err
	}
	restore, err := roomy()
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, restore()) }()
	r, err := p.guests.Run(ctx, "perfdhcp", "-6", "-l", "eth0", "-M", "/tmp/macs", "-R", strconv.Itoa(clients),
		"-r", strconv.Itoa(rate), "-p", strconv.Itoa(int(during.Seconds())), "-W", "300000")
	if err != nil {
		return Result{}, err
	}
	// Twice each of the three: for Solicits, then for Requests.
	counts := perfdhcpCount.FindAllStringSubmatch(r.Stdout, -1)
	if len(counts) < 6 {
		return Result{}, fmt.Errorf("perfdhcp: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	number := func(i int) int { n, _ := strconv.Atoi(counts[i][2]); return n } // digits by the expression
	after, err := p.overrun(ctx)
	return Result{Bound: number(4), Lost: number(0) - number(4), Overrun: after - before, Took: during}, err
}

// roomy makes the receive buffer large that sockets have which are opened from now on, until restore.
func roomy() (restore func() error, err error) {
	const name = "/proc/sys/net/core/rmem_default"
	old, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return func() error { return os.WriteFile(name, old, 0o644) }, os.WriteFile(name, []byte("4194304"), 0o644)
}

var rcvbufErrors = regexp.MustCompile(`(?m)^Udp6RcvbufErrors\s+(\d+)`)

// overrun is how many datagrams the guests' machine has lost since the buffer of a socket was full.
func (p *pair) overrun(ctx context.Context) (int, error) {
	r, err := p.guests.Run(ctx, "cat", "/proc/net/snmp6")
	if err != nil {
		return 0, err
	}
	m := rcvbufErrors.FindStringSubmatch(r.Stdout)
	if m == nil {
		return 0, fmt.Errorf("no Udp6RcvbufErrors in /proc/net/snmp6: %s%s", r.Stdout, r.Stderr)
	}
	return strconv.Atoi(m[1])
}

// cpu is what all threads of the server have used until now, in nanoseconds as the scheduler counts.
func (p *pair) cpu() (sum time.Duration, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.process.PID()))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("the server has ended: %w", errors.Join(err, errors.New(p.process.Output())))
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		ns, err := strconv.ParseInt(strings.Fields(string(text) + " 0")[0], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

var resident = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

func (p *pair) memory(f *figure) error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.process.PID()))
	if err != nil {
		return err
	}
	if m := resident.FindSubmatch(text); m != nil {
		f.resident, _ = strconv.Atoi(string(m[1])) // digits by the expression
	}
	return nil
}
