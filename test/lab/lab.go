// Package lab makes small networks of machines on one kernel: network segments, and machines with
// processes, files and NICs of their own, so that real DHCPv6 servers and clients meet v6guest
// without touching the computer that they run on.
//
// A machine is a set of namespaces (network, mount, process, host name) over a root directory that
// stays as it is: what the machine writes goes to a disk in memory. Namespaces have no names and are
// mounted nowhere, processes are children of one init that dies with this process: whatever ends a
// test, the kernel sweeps up everything but its own memory.
//
//	l, err := lab.New()
//	defer l.Close()
//	net1, err := l.Segment("net1", root)
//	guest, err := l.Boot(lab.Config{Name: "guest", Root: root})
//	err = guest.Plug(net1, "eth0", mac)
//	p, err := guest.Start("dhclient", "-6", "-d", "eth0")
//	_, err = p.AwaitLine(ctx, 0, "Bound to lease")
//	_, err = guest.Await(ctx, "an address on eth0", func(s lab.State) bool { … })
package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrNotRoot means that the lab was asked for without the rights to make namespaces.
var ErrNotRoot = errors.New("the lab makes network namespaces and needs root")

// workDir is where a lab mounts its memory, in a mount namespace of its own: nobody else sees it.
// It exists wherever the Filesystem Hierarchy Standard is kept, and holds neither checkouts nor caches.
const workDir = "/media"

// A Lab holds machines and segments. Its methods are safe for concurrent use.
type Lab struct {
	host *thread // in the mount namespace that all machines' descend from
	mnt  *os.File

	mu       sync.Mutex
	machines []*Machine
	number   int
}

// New makes an empty lab. Without root the error is ErrNotRoot.
func New() (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, ErrNotRoot
	}
	// The first use of processes makes the os package fork a probe. On a machine's thread that would
	// be the machine's init, and the machine would end with it: so use them here.
	if _, err := os.FindProcess(os.Getpid()); err != nil {
		return nil, err
	}
	l := &Lab{host: newThread()}
	if err := l.host.do(l.setUp); err != nil {
		l.host.close()
		return nil, fmt.Errorf("lab: %w", err)
	}
	return l, nil
}

func (l *Lab) setUp() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := unix.Mount("lab", workDir, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount memory on %s: %w", workDir, err)
	}
	mnt, err := os.Open("/proc/thread-self/ns/mnt")
	l.mnt = mnt
	return err
}

// Close ends every machine, and with the last reference to them the kernel frees the rest.
func (l *Lab) Close() error {
	l.mu.Lock()
	machines := l.machines
	l.machines = nil
	l.mu.Unlock()
	var errs error
	for _, m := range machines {
		errs = errors.Join(errs, m.Close())
	}
	l.host.close()
	l.mnt.Close()
	return errs
}

// A Disk is what a machine writes: it outlives the machine, and another one may boot from it.
type Disk struct{ dir string }

// NewDisk returns an empty disk in the lab's memory.
func (l *Lab) NewDisk() (Disk, error) {
	l.mu.Lock()
	l.number++
	d := Disk{dir: filepath.Join(workDir, fmt.Sprintf("disk%d", l.number))}
	l.mu.Unlock()
	return d, l.host.do(func() error {
		for _, part := range []string{"upper", "work", "merged"} {
			if err := os.MkdirAll(filepath.Join(d.dir, part), 0o755); err != nil {
				return fmt.Errorf("new disk: %w", err)
			}
		}
		return nil
	})
}

func (l *Lab) add(m *Machine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.machines = append(l.machines, m)
}

func (l *Lab) remove(m *Machine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, have := range l.machines {
		if have == m {
			l.machines = append(l.machines[:i], l.machines[i+1:]...)
			return
		}
	}
}
