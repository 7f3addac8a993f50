package main

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/mmsg"
)

// echo is the floor under every server: it answers each Solicit and Request by copying what it must
// and keeps nothing. It reads and writes in batches as v6responder does, in one of two forms.
func echo(args []string) error {
	flags := flag.NewFlagSet("echo", flag.ExitOnError)
	nic := flags.String("nic", "eth0", "the NIC")
	form := flags.String("form", "packet", "packet: a packet socket; udp: a UDP socket")
	_ = flags.Parse(args) // it exits by itself
	if *form == "udp" {
		return echoUDP(*nic)
	}
	return echoPacket(*nic)
}

// toServers lets UDP datagrams to port 547 through.
var toServers = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 6},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: protoUDP, Jf: 3},
	{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: ipv6Header + 2},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: serverPort, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0x40000},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}

func echoPacket(nic string) error {
	fd, _, err := openPacket(unix.SOCK_DGRAM, nic, toServers)
	if err != nil {
		return err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20) // no more than v6responder asks for
	own, err := linkLocal(nic)
	if err != nil {
		return err
	}
	// Another one sends: the poller would be woken for every frame that has left a socket which it watches.
	to, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("packet socket: %w", err)
	}
	receive, err := inPoller(fd)
	if err != nil {
		return err
	}
	return serveEcho(receive, to, func(in, out []byte) int {
		if len(in) < ipv6Header+udpHeader+4 {
			return 0
		}
		size := reflect(in[ipv6Header+udpHeader:], out[ipv6Header+udpHeader:])
		return putDatagram(out, own, [16]byte(in[8:24]), serverPort, clientPort, size)
	})
}

func echoUDP(nic string) error {
	i, err := net.InterfaceByName(nic)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("UDP socket: %w", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
	err = errors.Join(
		unix.Bind(fd, &unix.SockaddrInet6{Port: serverPort}),
		unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: allServers, Interface: uint32(i.Index)}))
	if err != nil {
		return err
	}
	return serveEcho(inPoll(fd), fd, reflect)
}

// A receiver waits for datagrams and reads them.
type receiver func(in *mmsg.Batch) (int, error)

// inPoller waits in Go's poller, which is what costs least where datagrams come one at a time: with a system call
// that waits, each of them wakes the runtime's monitor thread.
func inPoller(fd int) (receiver, error) {
	conn, err := os.NewFile(uintptr(fd), "socket").SyscallConn() // it does not block, so the poller takes it
	return func(in *mmsg.Batch) (n int, err error) {
		var failed error
		err = conn.Read(func(fd uintptr) bool {
			n, failed = in.Receive(int(fd))
			return !errors.Is(failed, unix.EAGAIN)
		})
		return n, errors.Join(err, failed)
	}, err
}

// inPoll waits in poll(2).
func inPoll(fd int) receiver {
	return func(in *mmsg.Batch) (int, error) {
		for {
			n, err := in.Receive(fd)
			if !errors.Is(err, unix.EAGAIN) {
				return n, err
			}
			if err := wait(fd, -1); err != nil {
				return 0, err
			}
		}
	}
}

// serveEcho answers each datagram to where it came from, for ever.
func serveEcho(receive receiver, fd int, answer func(in, out []byte) int) error {
	in, out := mmsg.New(64, 2048, 0), mmsg.New(64, 2048, 0)
	for {
		n, err := receive(in)
		if err != nil {
			return err
		}
		queued := 0
		for i := range n {
			if size := answer(in.Data(i), out.Room(queued)); size > 0 {
				out.Set(queued, size, in.Name(i))
				queued++
			}
		}
		for sent := 0; sent < queued; {
			n, err := out.Send(fd, sent, queued)
			if err != nil {
				n = 1 // lost
			}
			sent += n
		}
	}
}

// reflect writes the answer to a message: its client identifier and IA_NA, with an address made of the
// client identifier's end, and a server identifier.
func reflect(in, out []byte) int {
	if len(in) < 4 || in[0] != 1 && in[0] != 3 {
		return 0
	}
	b := append(out[:0], in[:4]...)
	b[0] = 7
	if in[0] == 1 {
		b[0] = 2
	}
	addr := [24]byte{0: 0x20, 1: 1, 2: 0xd, 3: 0xb8, 5: 1}
	binary.BigEndian.PutUint32(addr[16:], 43200)
	binary.BigEndian.PutUint32(addr[20:], 86400)
	b = appendOption(b, optServerID, []byte{0, 3, 0, 1, 2, 0, 0, 0, 0, 1})
	for rest := in[4:]; ; {
		o, more, ok := next(rest)
		if !ok {
			return len(b)
		}
		rest = more
		switch {
		case o.code == optRapidCommit && in[0] == 1:
			b = appendOption(b, optRapidCommit)
			b[0] = 7
		case o.code == optClientID:
			b = appendOption(b, optClientID, o.data)
			copy(addr[10:16], o.data[max(0, len(o.data)-6):])
		case o.code == optIANA && len(o.data) >= 12:
			var ia [12 + 4 + 24]byte
			copy(ia[:], o.data[:4])
			ia[13], ia[15] = optIAAddr, 24
			copy(ia[16:], addr[:])
			b = appendOption(b, optIANA, ia[:])
		}
	}
}

// linkLocal is the NIC's link-local address.
func linkLocal(nic string) (out [16]byte, err error) {
	i, err := net.InterfaceByName(nic)
	if err != nil {
		return out, err
	}
	addrs, err := i.Addrs()
	if err != nil {
		return out, err
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() == nil && n.IP.IsLinkLocalUnicast() {
			return [16]byte(n.IP.To16()), nil
		}
	}
	return out, fmt.Errorf("%s has no link-local address", nic)
}
