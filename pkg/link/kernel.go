package link

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// dumpTries is how often a listing that changes interrupted is begun anew.
const dumpTries = 10

// answerTime bounds one exchange with the kernel: it answers from memory, but may wait for the lock that
// guards the network configuration.
const answerTime = 30 * time.Second

// A Config says how a Kernel is opened. The zero value is right for the product.
type Config struct {
	// Sysfs is where sysfs is mounted; empty for /sys.
	Sysfs string
	// ReceiveBuffer is the size in bytes of the buffer in which the kernel keeps messages for a Watch
	// whose owner is slow; 0 for 2 MiB.
	ReceiveBuffer int
}

// A Kernel is the connection to the kernel of one network namespace: the one that the thread of Open
// was in. Its methods may be called from several goroutines.
type Kernel struct {
	cfg      Config
	ns       netns.NsHandle
	nsLock   sync.RWMutex // held while ns is used
	closed   atomic.Bool
	patience time.Duration

	exchange sync.Mutex // held while the socket is used
	socket   atomic.Pointer[nl.SocketHandle]
	strict   atomic.Bool // the kernel filters listings
}

// Open connects to the kernel of the present network namespace. It needs no privilege; changes need
// CAP_NET_ADMIN.
func Open(cfg Config) (*Kernel, error) {
	if cfg.Sysfs == "" {
		cfg.Sysfs = "/sys"
	}
	if cfg.ReceiveBuffer == 0 {
		cfg.ReceiveBuffer = 2 << 20
	}
	ns, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("look up the network namespace: %w", err)
	}
	k := &Kernel{cfg: cfg, ns: ns, patience: answerTime}
	if err := k.connect(); err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	return k, nil
}

// connect opens the socket that requests go over.
func (k *Kernel) connect() error {
	s, err := k.open()
	if err != nil {
		return err
	}
	// Extended errors are text only, of kernels from 4.12 on: their absence changes nothing.
	_ = s.SetExtAck(true)
	// With strict checking (4.20) the kernel filters listings; list filters in any case.
	k.strict.Store(setStrict(s) == nil)
	k.socket.Store(&nl.SocketHandle{Socket: s})
	if k.closed.Load() { // Close came between and has not seen it
		s.Close()
		return ErrClosed
	}
	return nil
}

// Close ends the connection. A Watch of it goes on until its context ends or messages are lost.
func (k *Kernel) Close() error {
	if k.closed.Swap(true) {
		return ErrClosed
	}
	k.nsLock.Lock()
	defer k.nsLock.Unlock()
	if s := k.socket.Load(); s != nil {
		s.Close()
	}
	return k.ns.Close()
}

// open makes a netlink socket in the Kernel's namespace. Only where the thread
// is in another namespace is it moved there and back, which needs CAP_SYS_ADMIN.
func (k *Kernel) open() (*nl.NetlinkSocket, error) {
	k.nsLock.RLock()
	defer k.nsLock.RUnlock()
	if k.closed.Load() {
		return nil, ErrClosed
	}
	target := k.ns
	here, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("look up the network namespace: %w", err)
	}
	if here.Equal(k.ns) {
		target = netns.None()
	}
	if err := here.Close(); err != nil {
		return nil, fmt.Errorf("look up the network namespace: %w", err)
	}
	s, err := nl.GetNetlinkSocketAt(target, netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	return s, nil
}

func setStrict(s *nl.NetlinkSocket) error {
	return unix.SetsockoptInt(s.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
}

// change asks the kernel for a change and waits until it is made.
func (k *Kernel) change(ctx context.Context, msgType, flags int, data ...nl.NetlinkRequestData) error {
	_, err := k.request(ctx, 0, msgType, flags|unix.NLM_F_ACK, data...)
	return err
}

// request does one exchange with the kernel, and gives the messages of the type answer.
//
// It is bounded by a timer that ends with it. The library's own timeouts are not used: its deadlines
// stay armed when the answer is there, and would wake an idle process up for nothing.
func (k *Kernel) request(ctx context.Context, answer uint16, msgType, flags int, data ...nl.NetlinkRequestData) ([][]byte, error) {
	k.exchange.Lock()
	defer k.exchange.Unlock()
	if err := k.ready(ctx); err != nil {
		return nil, err
	}
	s := k.socket.Load()
	if s == nil {
		if err := k.connect(); err != nil {
			return nil, err
		}
		s = k.socket.Load()
	}
	req := nl.NewNetlinkRequest(msgType, flags)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: s}
	for _, d := range data {
		req.AddData(d)
	}
	late := time.AfterFunc(k.patience, s.Socket.Close) //nolint:forbidigo // while the machine is suspended, so is the kernel
	msgs, err := req.Execute(unix.NETLINK_ROUTE, answer)
	if late.Stop() {
		return msgs, err
	}
	k.socket.Store(nil) // it is closed; the next request opens another
	if err != nil {
		err = fmt.Errorf("%w within %s", ErrNoAnswer, k.patience)
	}
	return msgs, err
}

// dump lists what the kernel has, whole: an interrupted listing is begun anew.
func (k *Kernel) dump(ctx context.Context, get, answer int, header nl.NetlinkRequestData) ([][]byte, error) {
	for range dumpTries {
		msgs, err := k.request(ctx, uint16(answer), get, unix.NLM_F_DUMP, header)
		if err == nil {
			return msgs, nil
		}
		if !errors.Is(err, nl.ErrDumpInterrupted) {
			return nil, err
		}
	}
	return nil, ErrInterrupted
}

func (k *Kernel) ready(ctx context.Context) error {
	if k.closed.Load() {
		return ErrClosed
	}
	return ctx.Err()
}
