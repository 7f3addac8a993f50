package holder

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// closedGroup is the kernel's group that tells of IPv6 UDP sockets that were closed
// (SKNLGRP_INET6_UDP_DESTROY of linux/sock_diag.h, since Linux 4.2).
const closedGroup = 4

// Freed tells each time that an IPv6 UDP socket on a port is closed in the network namespace of the calling
// thread, until ctx ends, which closes the channel. What happens while nobody reads is told once. An error
// says that this kernel does not tell, or not this process (it takes CAP_NET_ADMIN).
func Freed(ctx context.Context, port uint16) (<-chan struct{}, error) {
	f, err := closings()
	if err != nil {
		return nil, fmt.Errorf("follow the closing of sockets: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = f.Close() }) // that ends the Read
	out := make(chan struct{}, 1)
	go func() {
		defer close(out)
		defer f.Close()
		defer stop()
		b := make([]byte, 1<<16)
		for {
			n, err := f.Read(b)
			lost := errors.Is(err, unix.ENOBUFS) // and the port's may have been among what is lost
			if err != nil && !lost {
				return
			}
			if !lost && !tells(b[:n], port) {
				continue
			}
			select {
			case out <- struct{}{}:
			default:
			}
		}
	}()
	return out, nil
}

// closings opens a socket that the kernel tells of closed sockets.
func closings() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, err
	}
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) // without an address of its own nothing is told to it
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, closedGroup)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "sock_diag"), nil
}

// tells says whether a datagram of the kernel's tells of a socket on the port.
func tells(b []byte, port uint16) bool {
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return false
	}
	const local = 4 // in the struct inet_diag_msg: family, state, timer, retransmissions, then the ports
	return slices.ContainsFunc(messages, func(m syscall.NetlinkMessage) bool {
		return len(m.Data) >= local+2 && m.Data[0] == unix.AF_INET6 && binary.BigEndian.Uint16(m.Data[local:]) == port
	})
}
