// Package peer runs the servers and clients that v6guest meets in the tests: those of others, which
// come from Debian's packages, and v6responder. Each server serves one network from one machine of
// package lab, reserved addresses only, and sends Router Advertisements with a default route.
package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/v6guest/v6guest/test/lab"
)

// A Network is what a server must know of the link that it serves.
type Network struct {
	NIC    string // the server's
	Prefix netip.Prefix
	DNS    netip.Addr
	Search string
	Guests []Guest
	// NoRA leaves Router Advertisements out.
	NoRA bool
	// Options are further lines for v6responder's [server] section, or dnsmasq's configuration.
	Options []string
	// NetworkOptions are further lines for v6responder's section of the network.
	NetworkOptions []string
}

// A Guest is a reservation: the NIC with this MAC is given this address for ever.
type Guest struct {
	Name string
	MAC  net.HardwareAddr
	Addr netip.Addr
	// Secondary marks a NIC that is not its machine's default one.
	Secondary bool
}

// DUID is the DUID-LL that the reservation is keyed by, in hex with colons.
func (g Guest) DUID() string { return "00:03:00:01:" + g.MAC.String() }

// Hosts is the guests as the virtual router writes them for dnsmasq.
func Hosts(guests []Guest) string {
	var b strings.Builder
	for _, g := range guests {
		tag := ""
		if g.Secondary {
			tag = "set:nondefault6,"
		}
		fmt.Fprintf(&b, "id:%s,%s[%s],%s,infinite\n", g.DUID(), tag, g.Addr, g.Name)
	}
	return b.String()
}

// A Server is a running DHCPv6 server with what sends its Router Advertisements.
type Server struct {
	Kind      Kind
	machine   *lab.Machine
	processes []*lab.Process
	reserve   func(ctx context.Context, guests []Guest) error
}

// A Kind names a server.
type Kind string

// The servers: ours, and those that we did not write.
const (
	V6responder Kind = "v6responder"
	Dnsmasq     Kind = "dnsmasq"
	Kea         Kind = "kea" // with radvd
)

// Kinds lists the servers.
var Kinds = []Kind{V6responder, Dnsmasq, Kea}

// ErrUnknownKind means that there is no such server.
var ErrUnknownKind = errors.New("unknown server; there are v6responder, dnsmasq and kea")

// Serve starts a server on a machine, and returns when it serves.
func Serve(ctx context.Context, kind Kind, m *lab.Machine, n Network) (*Server, error) {
	switch kind {
	case V6responder:
		return serveV6responder(ctx, m, n)
	case Dnsmasq:
		return serveDnsmasq(ctx, m, n)
	case Kea:
		return serveKea(ctx, m, n)
	}
	return nil, fmt.Errorf("%q: %w", kind, ErrUnknownKind)
}

// Reserve replaces the reservations while the server runs, in the way that its users do it. Their
// bindings stay as they are.
func (s *Server) Reserve(ctx context.Context, guests []Guest) error { return s.reserve(ctx, guests) }

// Processes are the server's programs.
func (s *Server) Processes() []*lab.Process { return s.processes }

// Stop ends the server as an administrator does.
func (s *Server) Stop(ctx context.Context) error {
	var errs error
	for _, p := range s.processes {
		_, err := p.Stop(ctx)
		errs = errors.Join(errs, err)
	}
	return errs
}

// Pause stops the server's programs where they are, so that nothing is answered; Continue goes on.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Continue ends a Pause.
func (s *Server) Continue() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) error {
	var errs error
	for _, p := range s.processes {
		errs = errors.Join(errs, p.Signal(sig))
	}
	return errs
}

// start runs a program and waits for the line by which it says that it is ready.
func start(ctx context.Context, m *lab.Machine, ready string, args ...string) (*lab.Process, error) {
	p, err := m.Start(args...)
	if err != nil {
		return nil, err
	}
	if _, err := p.AwaitLine(ctx, 0, ready); err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	return p, nil
}

func marshal(v any) (string, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	return string(b) + "\n", err
}
