package link

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// dumpTries is how often a listing that changes interrupted is begun anew.
const dumpTries = 10

// requestTimeout bounds one exchange with the kernel, in seconds: it answers from memory, but may
// wait for the lock that guards the network configuration.
const requestTimeout = 30

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
	cfg    Config
	ns     netns.NsHandle
	socket *nl.SocketHandle
	strict bool
	closed atomic.Bool
	nsLock sync.RWMutex // held while ns is used
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
	k := &Kernel{cfg: cfg, ns: ns}
	s, err := k.open()
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	timeout := unix.Timeval{Sec: requestTimeout}
	if err := errors.Join(s.SetSendTimeout(&timeout), s.SetReceiveTimeout(&timeout)); err != nil {
		s.Close()
		return nil, errors.Join(fmt.Errorf("bound the netlink socket's waiting: %w", err), ns.Close())
	}
	// Extended errors are text only, of kernels from 4.12 on: their absence changes nothing.
	_ = s.SetExtAck(true)
	// With strict checking (4.20) the kernel filters listings; list filters in any case.
	k.strict = setStrict(s) == nil
	k.socket = &nl.SocketHandle{Socket: s}
	return k, nil
}

// Close ends the connection. A Watch of it goes on until its context ends or messages are lost.
func (k *Kernel) Close() error {
	if k.closed.Swap(true) {
		return ErrClosed
	}
	k.nsLock.Lock()
	defer k.nsLock.Unlock()
	k.socket.Close()
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

// request makes a request that goes over the Kernel's own socket.
func (k *Kernel) request(msgType, flags int, data ...nl.NetlinkRequestData) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(msgType, flags)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: k.socket}
	for _, d := range data {
		req.AddData(d)
	}
	return req
}

// change asks the kernel for a change and waits until it is made.
func (k *Kernel) change(ctx context.Context, msgType, flags int, data ...nl.NetlinkRequestData) error {
	if err := k.ready(ctx); err != nil {
		return err
	}
	_, err := k.request(msgType, flags|unix.NLM_F_ACK, data...).Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// dump lists what the kernel has, whole: an interrupted listing is begun anew.
func (k *Kernel) dump(ctx context.Context, get, answer int, header nl.NetlinkRequestData) ([][]byte, error) {
	for range dumpTries {
		if err := k.ready(ctx); err != nil {
			return nil, err
		}
		msgs, err := k.request(get, unix.NLM_F_DUMP, header).Execute(unix.NETLINK_ROUTE, uint16(answer))
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
