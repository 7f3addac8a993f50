package leasestore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/clock/clocktest"
)

// child is a process of this program that does what it is told.
func child(t testing.TB, what string, args ...any) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childVariable+"="+what+" "+strings.TrimSpace(fmt.Sprintln(args...)))
	return cmd
}

// asNobody makes the child run as a user who owns nothing. The program's own file may be out of reach
// for that user, so the child gets it as an open one.
func asNobody(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	exe, err := os.Open(cmd.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exe.Close() })
	cmd.ExtraFiles = []*os.File{exe}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Path = "/proc/self/fd/3"
}

func childOptions(path string) Options {
	return Options{
		Path: path, BootID: "one", Clock: clocktest.New(clock.Instant(time.Hour)), segment: 16,
		Wall: func() time.Time { return time.Unix(1_800_000_000, 0).Add(time.Hour) },
	}
}

func childOpens(args []string) error {
	s, err := Open(childOptions(args[0]))
	if err != nil {
		return err
	}
	return s.Close()
}

// step is the i-th of all that the children do: a few changes of few addresses.
func step(i int, note model) []Change {
	r := rand.New(rand.NewPCG(5, uint64(i)))
	var changes []Change
	for range 1 + r.IntN(3) {
		changes = append(changes, note.change(r, 60))
	}
	return changes
}

// childWrites path from to burst [astray]: does the steps from the one to the other (0: for ever), in bursts of at
// most so many, and says which are durable, a line each; with a fifth word "back" too, when its file is in its place
// again.
func childWrites(args []string) error {
	from, to, burst := atoi(args[1]), atoi(args[2]), atoi(args[3])
	told := make(chan Result, DefaultMaxQueue)
	o := childOptions(args[0])
	o.Done = func(results []Result) {
		var line []byte
		for _, r := range results {
			line = fmt.Appendf(line, "%d\n", r.ID)
		}
		if _, err := os.Stdout.Write(line); err != nil {
			panic(err)
		}
		for _, r := range results {
			told <- r
		}
	}
	if len(args) > 4 {
		o.Astray = func(what *Fault, back bool) {
			if !back {
				panic(what)
			}
			if _, err := os.Stdout.WriteString("back\n"); err != nil {
				panic(err)
			}
		}
	}
	s, err := Open(o)
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(6, uint64(from)))
	for i := from; to == 0 || i < to; {
		n := 0
		for ; n < 1+r.IntN(burst) && (to == 0 || i < to); i++ {
			if err := s.Begin(uint64(i), step(i, model{})...); err != nil {
				return err
			}
			n++
		}
		for range n {
			if r := <-told; r.Err != nil {
				return r.Err
			}
		}
	}
	return s.Close()
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// until makes steps from i on until one fails, and returns its number and the error.
func until(s *Store, i int) (int, error) {
	for ; i < 100_000; i++ {
		c := make(chan Result, 1)
		if err := s.begin(begin{waiter: c}, step(i, model{})); err != nil {
			return i, err
		}
		if r := <-c; r.Err != nil {
			return i, r.Err
		}
	}
	return i, nil
}

// matches says whether a store that is opened now has just the first steps, as many as are said.
func matches(path string, steps int) error {
	got, err := clients(path)
	if err != nil {
		return err
	}
	m := model{}
	for i := range steps {
		step(i, m)
	}
	if fmt.Sprint(got) != fmt.Sprint(m) {
		return fmt.Errorf("after %d steps:\n%v, want\n%v", steps, got, m)
	}
	return nil
}

// clients opens a store and closes it again.
func clients(path string) (model, error) { return clientsIn(childOptions(path)) }

func clientsIn(o Options) (model, error) {
	got := model{}
	o.Load = func(l *Lease) {
		a := l.Prefix.Addr().As16()
		n := int(a[14])<<8 | int(a[15])
		if _, twice := got[n]; twice {
			panic(fmt.Sprint("twice: ", l))
		}
		got[n] = int(l.IAID)
	}
	s, err := Open(o)
	if err != nil {
		return nil, err
	}
	return got, s.Close()
}

// childAtItsLimit path: a file that may not grow any more.
func childAtItsLimit(args []string) error {
	signal.Ignore(unix.SIGXFSZ)
	s, err := Open(childOptions(args[0]))
	if err != nil {
		return err
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 16, Max: old.Max}); err != nil {
		return err
	}
	steps, err := until(s, 0)
	if steps == 0 || err == nil || !strings.Contains(err.Error(), unix.EFBIG.Error()) { // bbolt does not wrap it
		return fmt.Errorf("at the limit after %d steps: %w", steps, err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	for i := range 500 {
		c := make(chan Result, 1)
		if err := s.begin(begin{waiter: c}, step(steps+i, model{})); err != nil {
			return err
		}
		if r := <-c; r.Err != nil {
			return r.Err
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	return matches(args[0], steps+500)
}

// childOnAFullDisk folder: in a mount namespace of its own, on a small file system.
func childOnAFullDisk(args []string) error {
	if err := unix.Mount("tmpfs", args[0], "tmpfs", 0, "size=2m"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	path, filler := args[0]+"/leases.db", args[0]+"/filler"
	s, err := Open(childOptions(path))
	if err != nil {
		return err
	}
	// As full as it gets: what the store has already is what it may use.
	if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("filler: %w", err)
	}
	steps, err := until(s, 0)
	fault := (*Fault)(nil)
	if !errors.Is(err, unix.ENOSPC) || !errors.As(err, &fault) {
		return fmt.Errorf("full after %d steps: %w", steps, err)
	}
	for range 3 { // still full; each is told
		if n, err := until(s, steps); n != steps || !errors.Is(err, unix.ENOSPC) {
			return fmt.Errorf("still full after %d steps: %w", n, err)
		}
	}
	if err := s.Close(); err != nil && !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("close: %w", err)
	}
	if err := matches(path, steps); err != nil && !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("opened while it is full: %w", err)
	}
	if s, err = Open(childOptions(path)); err != nil {
		return err
	}
	if n, err := until(s, steps); n != steps || !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("opened and full after %d steps: %w", n, err)
	}
	if err := os.Remove(filler); err != nil {
		return err
	}
	for i := range 300 {
		c := make(chan Result, 1)
		if err := s.begin(begin{waiter: c}, step(steps+i, model{})); err != nil {
			return err
		}
		if r := <-c; r.Err != nil {
			return fmt.Errorf("with space again: %w", r.Err)
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	fmt.Printf("full after %d steps; ", steps)
	return matches(path, steps+300)
}

// childRewritesOnAFullDisk folder: as childOnAFullDisk, but its file is removed while the disk is full in one way or
// another. Nothing is acknowledged until there is room; then all is there.
func childRewritesOnAFullDisk(args []string) error {
	if err := unix.Mount("tmpfs", args[0], "tmpfs", 0, "size=2m,nr_inodes=16"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	signal.Ignore(unix.SIGXFSZ)
	path, back := args[0]+"/leases.db", make(chan bool, 100)
	o := childOptions(path)
	o.Astray = func(what *Fault, is bool) {
		fmt.Println(what)
		back <- is
	}
	s, err := Open(o)
	if err != nil {
		return err
	}
	steps := 0
	for _, full := range []struct {
		name       string
		fill, room func() error
	}{
		{"no bytes", func() error {
			err := os.WriteFile(args[0]+"/filler", make([]byte, 2<<20), 0o600)
			if errors.Is(err, unix.ENOSPC) {
				err = nil
			}
			return err
		}, func() error { return os.Remove(args[0] + "/filler") }},
		{"no inodes", func() error {
			for i := 0; ; i++ {
				err := os.Mkdir(fmt.Sprintf("%s/filler-%d", args[0], i), 0o700)
				if errors.Is(err, unix.ENOSPC) {
					return nil
				}
				if err != nil {
					return err
				}
			}
		}, func() error {
			return errors.Join(os.Remove(args[0]+"/filler-0"), os.Remove(args[0]+"/filler-1"), os.Remove(args[0]+"/filler-2"))
		}},
		{"half of it", func() error { return limitFiles(16 << 10) }, func() error { return limitFiles(unix.RLIM_INFINITY) }},
	} {
		if steps, err = commitTo(s, steps, steps+40); err != nil {
			return fmt.Errorf("before %s: %w", full.name, err)
		}
		if err := errors.Join(full.fill(), os.Remove(path)); err != nil {
			return fmt.Errorf("%s: %w", full.name, err)
		}
		for range 3 {
			if n, err := commitTo(s, steps, steps+1); n != steps || err == nil {
				return fmt.Errorf("%s: acknowledged, %w", full.name, err)
			}
		}
		if <-back {
			return fmt.Errorf("%s: it is said to be back", full.name)
		}
		for copied := true; copied; { // the store may look once more by itself
			left, err := os.ReadDir(args[0])
			if err != nil {
				return fmt.Errorf("%s: %w", full.name, err)
			}
			copied = strings.Contains(fmt.Sprint(left), ".new-")
		}
		if err := full.room(); err != nil {
			return err
		}
		if steps, err = commitTo(s, steps, steps+1); err != nil {
			return fmt.Errorf("%s, and room again: %w", full.name, err)
		}
		for !<-back { // it may have found half of the room
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	return matches(path, steps)
}

// commitTo makes the steps up to one, and returns which is the next and why.
func commitTo(s *Store, from, to int) (int, error) {
	for ; from < to; from++ {
		if err := s.Commit(context.Background(), step(from, model{})...); err != nil {
			return from, err
		}
	}
	return from, nil
}

func limitFiles(size uint64) error {
	return unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY})
}
