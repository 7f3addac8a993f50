package boot

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
)

// A nic is a port of a network, and the MAC of what is in it.
type nic struct {
	net   *cloud.Net
	mac   net.HardwareAddr
	later bool // it is plugged in while the machine runs
	// failover makes it a pair of one MAC: virtio as the standby, and a primary beside it that qemu plugs in
	// when the guest says that it knows of such pairs (net_failover).
	failover bool
}

// A vm is a virtual machine that runs.
type vm struct {
	cmd    *exec.Cmd
	ended  chan error
	serial string // the file with what its console printed
	conn   net.Conn
	in     *json.Decoder
	nics   []nic
	qmp    string // the socket of qemu's own control
	logf   func(format string, args ...any)
}

// cheap leaves out of a boot what costs an emulated processor most and has nothing to do with the network: detours around
// the faults of real ones, what systemd does once after each change of /usr, file systems and modules that nobody asks
// for, and prompts where nobody logs in: a fifth of the boot's work. And a check of the timer, which a busy machine fails: the
// kernel then panics ("IO-APIC + timer doesn't work").
const cheap = "mitigations=off no_timer_check systemd.condition_needs_update=no" +
	" systemd.mask=modprobe@configfs.service systemd.mask=modprobe@drm.service systemd.mask=modprobe@efi_pstore.service systemd.mask=modprobe@fuse.service" +
	" systemd.mask=dev-hugepages.mount systemd.mask=dev-mqueue.mount systemd.mask=sys-kernel-debug.mount systemd.mask=sys-kernel-tracing.mount" +
	" systemd.mask=sys-kernel-config.mount systemd.mask=sys-fs-fuse-connections.mount" +
	" systemd.mask=serial-getty@ttyS0.service systemd.mask=getty@tty1.service"

// boot starts a machine with NICs, from the kernel that lies in the root. It returns when the machine's
// hand has reported, which is early in its boot. The words are put on the kernel's command line. Of a machine
// that snapshots are made of, the disk keeps nothing.
func boot(ctx context.Context, logf func(string, ...any), nics []nic, root, disk string, snapshots bool, words ...string) (*vm, error) {
	kernel, err := newest(filepath.Join(root, "boot/vmlinuz-*"))
	if err != nil {
		return nil, err
	}
	initrd, err := newest(filepath.Join(root, "boot/initrd.img-*"))
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(disk)
	socket := filepath.Join(dir, "hand")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	m := &vm{ended: make(chan error, 1), serial: filepath.Join(dir, "serial.log"), nics: nics, qmp: filepath.Join(dir, "qmp"), logf: logf}
	args := []string{
		"-accel", "tcg", "-smp", "1", "-m", "1024", "-nodefaults", "-no-user-config", "-display", "none",
		"-kernel", kernel, "-initrd", initrd, "-append", strings.Join(append(words, "root=/dev/vda rw console=ttyS0 net.ifnames=0 panic=-1 quiet "+cheap), " "),
		"-drive", "file=" + disk + ",if=virtio,format=raw,cache=unsafe,snapshot=" + onOff(snapshots), "-serial", "file:" + m.serial, "-no-reboot",
		"-qmp", "unix:" + m.qmp + ",server=on,wait=off", "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
		"-chardev", "socket,id=hand,path=" + socket, "-device", "virtserialport,chardev=hand,name=hand",
	}
	m.cmd = exec.Command("qemu-system-x86_64", args...)
	for i, n := range nics {
		if err := m.wire(ctx, i, n); err != nil {
			return nil, err
		}
	}
	defer func() { // qemu has its own descriptors
		for _, tap := range m.cmd.ExtraFiles {
			tap.Close()
		}
	}()
	out, err := os.Create(filepath.Join(dir, "qemu.log"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	m.cmd.Stdout, m.cmd.Stderr = out, out
	if err := launch(m.cmd, m.ended); err != nil {
		return nil, err
	}
	if m.conn, err = m.accept(ctx, ln); err != nil {
		log, _ := os.ReadFile(out.Name())
		return nil, errors.Join(fmt.Errorf("qemu: %w: %s", err, log), m.cut())
	}
	m.in = json.NewDecoder(bufio.NewReader(m.conn))
	var hello answer
	if err := m.receive(ctx, &hello); err != nil {
		log, _ := os.ReadFile(out.Name())
		return nil, errors.Join(fmt.Errorf("the machine does not report: %w\n%s%s", err, log, m.console()), m.cut())
	}
	return m, nil
}

// launch starts a process that does not outlive this one, and tells its end. The kernel takes for this one's end that of the
// thread which started it, and Go's threads do end: with a machine of the lab that had been given just that one. So the
// thread stays the process's until it has ended.
func launch(cmd *exec.Cmd, ended chan<- error) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	return <-started
}

// wire puts a NIC's devices and their ports of the network on qemu's command line.
func (m *vm) wire(ctx context.Context, i int, n nic) error {
	port := func(id string) error {
		tap, err := n.net.Segment.Tap(ctx)
		if err != nil {
			return err
		}
		m.cmd.ExtraFiles = append(m.cmd.ExtraFiles, tap)
		m.cmd.Args = append(m.cmd.Args, "-netdev", fmt.Sprintf("tap,id=%s%d,fd=%d", id, i, 2+len(m.cmd.ExtraFiles)))
		return nil
	}
	if err := port("n"); err != nil || n.later {
		return err
	}
	device := fmt.Sprintf("virtio-net-pci,netdev=n%d,id=nic%d,mac=%s", i, i, n.mac)
	if !n.failover {
		m.cmd.Args = append(m.cmd.Args, "-device", device)
		return nil
	}
	// The primary has to be on PCI Express, with a port that can be plugged.
	m.cmd.Args = append(m.cmd.Args, "-machine", "q35", "-device", fmt.Sprintf("pcie-root-port,id=port%d,chassis=%d", i, 1+i),
		"-device", device+",failover=on", "-device", fmt.Sprintf("vmxnet3,netdev=p%d,id=%s,mac=%s,bus=port%d,failover_pair_id=nic%d", i, primaryOf(i), n.mac, i, i))
	return port("p")
}

// primaryOf is qemu's name of the primary of a pair.
func primaryOf(i int) string { return fmt.Sprintf("primary%d", i) }

// accept waits for qemu to open the hand's end.
func (m *vm) accept(ctx context.Context, ln net.Listener) (net.Conn, error) {
	type accepted struct {
		conn net.Conn
		err  error
	}
	got := make(chan accepted, 1)
	go func() {
		conn, err := ln.Accept()
		got <- accepted{conn, err}
	}()
	select {
	case a := <-got:
		return a.conn, a.err
	case err := <-m.ended:
		m.ended <- err
		return nil, fmt.Errorf("it ended: %w", err)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// onOff is a switch as qemu writes it.
func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// newest is the last file that matches.
func newest(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("no %s: %w", pattern, errors.Join(err, os.ErrNotExist))
	}
	return found[len(found)-1], nil
}

// An answer is how a program in the machine ended; see hand/main.go.
type answer struct {
	Code   int    `json:"code"`
	Stdout []byte `json:"stdout"`
	Stderr []byte `json:"stderr"`
	Err    string `json:"err"` // why it did not end by itself
}

// run runs a program in the machine and waits for its end.
func (m *vm) run(ctx context.Context, argv ...string) (answer, error) { return m.ask(ctx, false, argv) }

// until runs a program again at each change of the machine's addresses and routes, until it succeeds.
func (m *vm) until(ctx context.Context, argv ...string) (answer, error) {
	return m.ask(ctx, true, argv)
}

// grace is how much earlier than the test the machine gives a program up, so that what is wrong there can still be asked.
const grace = time.Minute

// slow is from when on it is told how long a program took: where a test's time goes.
const slow = 20 * time.Second

func (m *vm) ask(ctx context.Context, until bool, argv []string) (answer, error) {
	within := time.Hour
	if end, ok := ctx.Deadline(); ok {
		within = max(time.Until(end)-grace, time.Second)
	}
	if err := json.NewEncoder(m.conn).Encode(map[string]any{"argv": argv, "until": until, "within": within}); err != nil {
		return answer{}, fmt.Errorf("%s: %w", strings.Join(argv, " "), errors.Join(err, context.Cause(ctx)))
	}
	began := time.Now()
	var a answer
	if err := m.receive(ctx, &a); err != nil {
		return a, fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, m.console())
	}
	if took := time.Since(began); took > slow {
		m.logf("%.0f s until it had ended: %s", took.Seconds(), strings.Join(argv, " "))
	}
	if a.Err != "" {
		return a, fmt.Errorf("%s: %s; until then it printed:\n%s%s", strings.Join(argv, " "), a.Err, a.Stdout, a.Stderr)
	}
	return a, nil
}

// receive waits for an answer, for the machine's end, or for ctx.
func (m *vm) receive(ctx context.Context, a *answer) error {
	got := make(chan error, 1)
	go func() { got <- m.in.Decode(a) }()
	select {
	case err := <-got:
		if err == nil {
			return nil
		}
		return m.over(ctx, err) // qemu has closed its end of the port
	case err := <-m.ended:
		m.ended <- err
		return m.over(ctx, io.EOF)
	case <-ctx.Done():
		m.conn.Close() // ends the goroutine
		return context.Cause(ctx)
	}
}

// over waits for the machine's end, of which its port told by err, and says how it ended.
func (m *vm) over(ctx context.Context, err error) error {
	select {
	case how := <-m.ended:
		m.ended <- how
		return fmt.Errorf("the machine ended (%s): %w", m.cmd.ProcessState, err)
	case <-ctx.Done():
		return errors.Join(err, context.Cause(ctx))
	}
}

// console is the end of what the machine's console printed.
func (m *vm) console() string {
	b, _ := os.ReadFile(m.serial) // without it there is nothing to tell
	return string(b[max(0, len(b)-4000):])
}

// off waits until the machine has shut itself down.
func (m *vm) off(ctx context.Context) error {
	select {
	case err := <-m.ended:
		m.ended <- err
		return err
	case <-ctx.Done():
		return fmt.Errorf("the machine does not shut down: %w\n%s", context.Cause(ctx), m.console())
	}
}

// cut is a power cut: the machine is gone at once.
func (m *vm) cut() error {
	if m.conn != nil {
		m.conn.Close()
	}
	if err := m.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	m.ended <- <-m.ended
	return nil
}
