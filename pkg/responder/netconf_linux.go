package responder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// What x/sys lacks of linux/netconf.h.
const (
	netconfaIfindex    = 1
	netconfaForwarding = 2
	sizeofNetconfmsg   = 1
)

// forwardsNow reads the switch of one NIC in the present network namespace. Where it cannot be read
// the NIC does not forward IPv6.
func forwardsNow(name string) bool {
	b, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + name + "/forwarding")
	return err == nil && strings.TrimSpace(string(b)) != "0"
}

// A forwardingWatch hears from the kernel which NICs forward IPv6 packets: how things are, and then each
// change.
type forwardingWatch struct {
	f   *os.File
	raw syscall.RawConn
}

// A forwarding is one NIC's state.
type forwarding struct {
	index int
	on    bool
}

// watchForwarding asks the kernel of the present network namespace.
func watchForwarding() (*forwardingWatch, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("watch forwarding: %w", err)
	}
	w := &forwardingWatch{f: os.NewFile(uintptr(fd), "netconf")}
	w.raw, err = w.f.SyscallConn()
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.RTNLGRP_IPV6_NETCONF)
	}
	if err == nil {
		err = w.ask()
	}
	if err != nil {
		return nil, fmt.Errorf("watch forwarding: %w", errors.Join(err, w.f.Close()))
	}
	return w, nil
}

// ask requests the state of all NICs.
func (w *forwardingWatch) ask() error {
	b := make([]byte, unix.SizeofNlMsghdr+4)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.RTM_GETNETCONF)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b[unix.SizeofNlMsghdr] = unix.AF_INET6
	var failed error
	err := w.raw.Control(func(fd uintptr) {
		failed = unix.Sendto(int(fd), b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	})
	return errors.Join(err, failed)
}

// read waits for states. When messages were lost all are asked for anew. After close the error is
// os.ErrClosed.
func (w *forwardingWatch) read(buf []byte) ([]forwarding, error) {
	for {
		var n int
		var failed error
		err := w.raw.Read(func(fd uintptr) bool {
			n, _, failed = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
			return failed != unix.EAGAIN && failed != unix.EINTR
		})
		switch {
		case err != nil:
			return nil, os.ErrClosed
		case errors.Is(failed, unix.ENOBUFS):
			if err := w.ask(); err != nil {
				return nil, fmt.Errorf("watch forwarding: %w", err)
			}
			continue
		case failed != nil:
			return nil, fmt.Errorf("watch forwarding: %w", failed)
		}
		if out := parseNetconf(buf[:n]); len(out) > 0 {
			return out, nil
		}
	}
}

func (w *forwardingWatch) close() error { return w.f.Close() }

// parseNetconf reads the kernel's messages of type RTM_NEWNETCONF.
func parseNetconf(b []byte) []forwarding {
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return nil
	}
	var out []forwarding
	for _, m := range messages {
		if m.Header.Type != unix.RTM_NEWNETCONF || len(m.Data) < sizeofNetconfmsg || m.Data[0] != unix.AF_INET6 {
			continue
		}
		var f forwarding
		known := false
		for rest := m.Data[min(4, len(m.Data)):]; len(rest) >= unix.SizeofRtAttr+4; {
			size := int(binary.NativeEndian.Uint16(rest))
			if size < unix.SizeofRtAttr+4 || size > len(rest) {
				break
			}
			value := int32(binary.NativeEndian.Uint32(rest[unix.SizeofRtAttr:]))
			switch binary.NativeEndian.Uint16(rest[2:]) {
			case netconfaIfindex:
				f.index = int(value)
			case netconfaForwarding:
				f.on, known = value != 0, true
			}
			rest = rest[min(len(rest), (size+3)&^3):]
		}
		if known && f.index > 0 { // -1 and -2 are the kernel's "all" and "default"
			out = append(out, f)
		}
	}
	return out
}
