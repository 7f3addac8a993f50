package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/sysctl"
)

// A live is the real LiveSystem.
type live struct {
	*link.Kernel
	sysctl.Tree
}

// OpenLive opens the system that this process runs on, for ApplyLive.
func OpenLive() (LiveSystem, error) {
	k, err := link.Open(link.Config{})
	if err != nil {
		return nil, err
	}
	return live{Kernel: k}, nil
}

// maxOutput bounds what is told of a program that fails, in bytes.
const maxOutput = 2000

// commandTimeout is how long a program may take.
const commandTimeout = 90 * time.Second

// clients are the programs that Stop ends: a process number in a file may be that of another by now.
var clients = []string{"dhclient", "dhcpcd", "udhcpc6"}

// Command runs a program; of one that fails it tells what the program said.
func (live) Command(ctx context.Context, argv []string) error { return command(ctx, "", argv...) }

// command is Command with something to read on standard input.
func command(ctx context.Context, stdin string, argv ...string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a person's interrupt is for us, who may have to take something back
	cmd.WaitDelay = time.Second                           // what it has started may keep its output open
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		text := strings.Join(strings.Fields(string(bytes.ToValidUTF8(out[:min(len(out), maxOutput)], nil))), " ")
		return fmt.Errorf("%w: %s", err, text)
	}
	return nil
}

// Stop ends a process by a descriptor of it, so that no other that got its number meanwhile is hit.
func (live) Stop(ctx context.Context, pidFile string) error {
	b, err := readSmall(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 1 {
		return fmt.Errorf("%s holds no process number", pidFile)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	comm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil || !slices.Contains(clients, strings.TrimSpace(string(comm))) {
		return unix.Close(fd) // it has ended, and its number is another's
	}
	if err := endProcess(ctx, fd, toldAgain); err != nil {
		return errors.Join(fmt.Errorf("process %d: %w", pid, err), unix.Close(fd))
	}
	return unix.Close(fd)
}

// A client that is to end is told so again and again, since one that is just about to wait misses a signal, and is ended
// when it does not listen: `configure --apply=live` may wait for nobody without an end.
const (
	toldAgain = time.Second
	toldTimes = 10
)

// endProcess ends the process of the descriptor and waits until it has ended.
func endProcess(ctx context.Context, fd int, again time.Duration) error {
	for told := 0; ; told++ {
		signal := unix.SIGTERM
		if told >= toldTimes {
			signal = unix.SIGKILL
		}
		if err := unix.PidfdSendSignal(fd, signal, nil, 0); errors.Is(err, unix.ESRCH) {
			return nil
		} else if err != nil {
			return err
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(again.Milliseconds()))
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			return err
		case n > 0:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("it has not ended: %w", context.Cause(ctx))
		}
	}
}
