package client

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/v6guest/v6guest/pkg/holder"
)

// A PortTakenError says that another program has the client's port. It is syscall.EADDRINUSE for
// errors.Is.
type PortTakenError struct {
	NIC    string
	Port   uint16
	Holder holder.Process // zero when it could not be found out, for which it takes CAP_SYS_PTRACE
}

// Error names the port and its holder.
func (e *PortTakenError) Error() string {
	if e.Holder.PID == 0 {
		return fmt.Sprintf("%s, port %d: address already in use", e.NIC, e.Port)
	}
	return fmt.Sprintf("%s, port %d: address already in use by %q (pid %d)", e.NIC, e.Port, e.Holder.Name, e.Holder.PID)
}

// Unwrap makes it EADDRINUSE.
func (e *PortTakenError) Unwrap() error { return syscall.EADDRINUSE }

// Cure says what a person can do, in the imperative.
func (e *PortTakenError) Cure() string {
	if e.Holder.PID == 0 {
		return "stop the other DHCPv6 client, or set lease = distro for this NIC"
	}
	return fmt.Sprintf("stop the other DHCPv6 client (pid %d), or set lease = distro for this NIC", e.Holder.PID)
}

// portTaken is the error of a NIC on which port 546 cannot be bound. Sockets of this process do not
// count: they are those of other NICs.
func portTaken(nic string) *PortTakenError {
	e := &PortTakenError{NIC: nic, Port: Port}
	others := slices.DeleteFunc(holder.UDP("/proc", Port, linkAddrs(nic)...), func(p holder.Process) bool { return p.PID == os.Getpid() })
	if len(others) > 0 {
		e.Holder = others[0]
	}
	return e
}

// linkAddrs are the link-local addresses of a NIC: those that another client of it binds its port to.
func linkAddrs(nic string) (out []netip.Addr) {
	ifi, err := net.InterfaceByName(nic)
	if err != nil {
		return nil
	}
	addrs, _ := ifi.Addrs() // without them every holder counts
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsLinkLocalUnicast() {
			out = append(out, p.Addr())
		}
	}
	return out
}
