package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A Config says what a machine is made of.
type Config struct {
	Name string // its host name
	Root string // the folder of its root file system, which it does not change
	// Disk holds what the machine writes; the zero Disk is a new one that goes with the machine.
	Disk Disk
	// Bin is a folder of programs that the machine sees as /usr/local/sbin; none when empty.
	Bin string
	// Mnt is a folder that the machine sees as /mnt, for what must be on a real disk; none when empty.
	Mnt string
	// Output receives a copy of all that the machine's processes print, line by line; may be nil.
	Output io.Writer
}

// A Machine is a set of namespaces with a root file system, its NICs, and processes in it.
type Machine struct {
	Name string

	lab    *Lab
	output io.Writer
	thread *thread
	init   *exec.Cmd
	ns     netns.NsHandle
	link   *netlink.Handle
	watch  *watcher

	closing   sync.Once
	processes sync.WaitGroup
}

// Boot makes a machine: no NIC but lo, which is up, and no process but its init.
func (l *Lab) Boot(cfg Config) (*Machine, error) {
	if cfg.Disk == (Disk{}) {
		d, err := l.NewDisk()
		if err != nil {
			return nil, err
		}
		cfg.Disk = d
	}
	m := &Machine{Name: cfg.Name, lab: l, output: cfg.Output, thread: newThread(), ns: netns.None()}
	if err := m.boot(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("boot %s: %w", cfg.Name, err), m.Close())
	}
	l.add(m)
	return m, nil
}

func (m *Machine) boot(cfg Config) error {
	if err := m.thread.do(func() error { return m.enter(cfg) }); err != nil {
		return err
	}
	link, err := netlink.NewHandleAt(m.ns)
	if err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	m.link = link
	lo, err := link.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := link.LinkSetUp(lo); err != nil {
		return err
	}
	m.watch, err = newWatcher(m.ns, link)
	return err
}

// enter puts the calling thread into new namespaces and starts the machine's init in them.
func (m *Machine) enter(cfg Config) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Setns(int(m.lab.mnt.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the lab's mounts: %w", err)
	}
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWPID); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	var err error
	if m.ns, err = netns.GetFromPath("/proc/thread-self/ns/net"); err != nil {
		return fmt.Errorf("network namespace: %w", err)
	}
	if err := unix.Sethostname([]byte(cfg.Name)); err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	root, err := mountRoot(cfg)
	if err != nil {
		return err
	}
	if err := unix.Chroot(root); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	return m.startInit()
}

// startInit starts the machine's first process. It mounts /proc, which only a member of the new
// process namespace can, and then stands idle: when it ends, the kernel ends all the others.
func (m *Machine) startInit() error {
	script := "mount -t proc proc /proc && mount --bind " + bootIDFile + " /proc/sys/kernel/random/boot_id && echo up && exec sleep infinity"
	m.init = exec.Command("/bin/sh", "-c", script)
	m.init.Env = environment()
	m.init.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	m.init.Stdout, m.init.Stderr = w, w
	err = m.init.Start()
	w.Close()
	if err != nil {
		m.init = nil
		return fmt.Errorf("init: %w", err)
	}
	said := make([]byte, 512)
	n, _ := r.Read(said)
	if string(said[:n]) != "up\n" {
		return fmt.Errorf("init: %s", said[:n])
	}
	return nil
}

// Path returns a name under which this process reaches a file of the machine.
func (m *Machine) Path(name string) string {
	return fmt.Sprintf("/proc/%d/root%s", m.init.Process.Pid, name)
}

// WriteFile writes a file of the machine, readable for everybody in it, and the folders above it.
// The file is complete under its name or not there.
func (m *Machine) WriteFile(name, text string) error {
	path := m.Path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	return os.Rename(path+".new", path)
}

// Sysctl sets a kernel switch of the machine, named as under /proc/sys.
func (m *Machine) Sysctl(name, value string) error {
	return m.thread.do(func() error {
		if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0o644); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		return nil
	})
}

// ReadSysctl returns a kernel switch of the machine without its newline.
func (m *Machine) ReadSysctl(name string) (string, error) {
	var text string
	err := m.thread.do(func() error {
		b, err := os.ReadFile("/proc/sys/" + name)
		text = string(trimNewline(b))
		return err
	})
	return text, err
}

func trimNewline(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		return b[:n-1]
	}
	return b
}

// Close is the machine's power switch: its processes are killed, its NICs are gone. Its disk stays.
func (m *Machine) Close() error {
	var err error
	m.closing.Do(func() {
		m.lab.remove(m)
		if m.init != nil {
			_ = m.init.Process.Kill() // it may be dead already
			_ = m.init.Wait()         // says only that it was killed
		}
		m.processes.Wait()
		if m.watch != nil {
			m.watch.close()
		}
		if m.link != nil {
			m.link.Close()
		}
		m.thread.close()
		if m.ns.IsOpen() {
			err = m.ns.Close()
		}
	})
	return err
}

// Do runs f on a thread inside the machine's namespaces and root: sockets that it opens are the
// machine's. It must not start goroutines that rely on that, nor keep the thread.
func (m *Machine) Do(ctx context.Context, f func() error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return m.thread.do(f)
}
