// Package cloud lays out what a guest of a cloud sees: shared networks, each with a router that
// advertises a default route and serves DHCPv6, and a neighbour; and the guest with a NIC in each.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// Options say what a cloud is made of.
type Options struct {
	Root      string // of the routers and neighbours
	GuestRoot string // of the guest; Root when empty
	Bin       string // the folder with v6guest and v6responder
	Networks  int
	Output    io.Writer // a copy of all that the machines' processes print; may be nil
}

// A Cloud is a laboratory with shared networks and one guest.
type Cloud struct {
	Lab  *lab.Lab
	Nets []*Net

	Guest *lab.Machine // nil while it is stopped
	Ports []*lab.Port  // the guest's NICs' cables, in the order of Nets

	options Options
	disk    lab.Disk
}

// A Net is one shared network.
type Net struct {
	Segment   *lab.Segment
	Router    *lab.Machine
	Neighbour *lab.Machine
	Server    *peer.Server // nil until Serve

	NIC       string // the guest's
	Prefix    netip.Prefix
	Reserved  peer.Guest // the guest's NIC, which has a reservation
	RouterMAC net.HardwareAddr
	RouterLL  netip.Addr // the router's link-local address
	Gateway   netip.Addr // the router's global address
	Neighbor6 netip.Addr // the neighbour's address
}

// Outside is an address beyond the networks, which every router knows the way to.
var Outside = netip.MustParseAddr("2001:db8:ffff::1")

// New makes the networks with their routers and neighbours; no server runs, and there is no guest.
func New(ctx context.Context, o Options) (*Cloud, error) {
	l, err := lab.New()
	if err != nil {
		return nil, err
	}
	c := &Cloud{Lab: l, options: o}
	if err := c.build(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cloud) build(ctx context.Context) (err error) {
	if c.disk, err = c.Lab.NewDisk(); err != nil {
		return err
	}
	for i := range c.options.Networks {
		n, err := c.network(ctx, byte(i+1))
		if err != nil {
			return err
		}
		c.Nets = append(c.Nets, n)
	}
	return nil
}

// Close ends everything.
func (c *Cloud) Close() error { return c.Lab.Close() }

func (c *Cloud) config(name string) lab.Config {
	return lab.Config{Name: name, Root: c.options.Root, Bin: c.options.Bin, Output: c.options.Output}
}

func (c *Cloud) network(ctx context.Context, number byte) (*Net, error) {
	prefix := netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d::/64", number))
	n := &Net{
		NIC: fmt.Sprintf("eth%d", number-1), Prefix: prefix,
		RouterMAC: net.HardwareAddr{0x06, 0xa0, 0xf0, 0, number - 1, 0x01},
		Gateway:   host(prefix, 1), Neighbor6: host(prefix, 0x77),
		Reserved: peer.Guest{
			Name: fmt.Sprintf("vm-%d", number), MAC: net.HardwareAddr{0x06, 0xa0, 0xf0, 0, number - 1, 0x38},
			Addr: host(prefix, 0x38), Secondary: number > 1,
		},
	}
	var err error
	if n.Segment, err = c.Lab.Segment(c.config(fmt.Sprintf("net%d", number))); err != nil {
		return nil, err
	}
	if n.Router, err = c.router(ctx, n, number); err != nil {
		return nil, err
	}
	n.Neighbour, err = c.Machine(ctx, n, fmt.Sprintf("neighbour%d", number), net.HardwareAddr{0x06, 0xa0, 0xf0, 0, number - 1, 0x77}, n.Neighbor6)
	return n, err
}

// host returns an address of a /64 by its last 16 bits.
func host(prefix netip.Prefix, last uint16) netip.Addr {
	b := prefix.Addr().As16()
	b[14], b[15] = byte(last>>8), byte(last)
	return netip.AddrFrom16(b)
}

// Host returns an address of the network by its last 16 bits.
func (n *Net) Host(last uint16) netip.Addr { return host(n.Prefix, last) }

// router boots a router: forwarding, a fixed address, and the way to the outside.
func (c *Cloud) router(ctx context.Context, n *Net, number byte) (*lab.Machine, error) {
	m, err := c.Lab.Boot(c.config(fmt.Sprintf("router%d", number)))
	if err != nil {
		return nil, err
	}
	if err := m.Sysctl("net/ipv6/conf/all/forwarding", "1"); err != nil {
		return nil, err
	}
	if err := m.AddAddress("lo", Outside.String()+"/128"); err != nil {
		return nil, err
	}
	if err := c.attach(ctx, m, n, n.RouterMAC, n.Gateway); err != nil {
		return nil, err
	}
	s, err := m.State()
	n.RouterLL = s.LinkLocal("eth0")
	return m, err
}

// Boot boots a machine that is on no network.
func (c *Cloud) Boot(name string) (*lab.Machine, error) { return c.Lab.Boot(c.config(name)) }

// Machine boots one more machine on a network, with a fixed address where that is valid.
func (c *Cloud) Machine(ctx context.Context, n *Net, name string, mac net.HardwareAddr, addr netip.Addr) (*lab.Machine, error) {
	m, err := c.Lab.Boot(c.config(name))
	if err != nil {
		return nil, err
	}
	return m, c.attach(ctx, m, n, mac, addr)
}

// attach gives a machine the NIC eth0, up and with a link-local address that is usable at once: the
// lab gives no MAC twice.
func (c *Cloud) attach(ctx context.Context, m *lab.Machine, n *Net, mac net.HardwareAddr, addr netip.Addr) error {
	if _, err := m.Plug(n.Segment, "eth0", mac); err != nil {
		return err
	}
	for _, s := range []string{"accept_dad", "accept_ra"} {
		if err := m.Sysctl("net/ipv6/conf/eth0/"+s, "0"); err != nil {
			return err
		}
	}
	if err := m.Up("eth0"); err != nil {
		return err
	}
	if addr.IsValid() {
		if err := m.AddAddress("eth0", addr.String()+"/64"); err != nil {
			return err
		}
	}
	_, err := m.Await(ctx, "a link-local address", func(s lab.State) bool { return s.LinkLocal("eth0").IsValid() })
	return err
}

// Network is what a server of the network is told; a test may change it before Serve.
func (n *Net) Network() peer.Network {
	return peer.Network{NIC: "eth0", Prefix: n.Prefix, DNS: n.Host(0x53), Search: "lab.example", Guests: []peer.Guest{n.Reserved}}
}

// Serve starts the network's server.
func (n *Net) Serve(ctx context.Context, kind peer.Kind, network peer.Network) (err error) {
	n.Server, err = peer.Serve(ctx, kind, n.Router, network)
	return err
}

// Serve starts a server of one kind on every network.
func (c *Cloud) Serve(ctx context.Context, kind peer.Kind) error {
	for _, n := range c.Nets {
		if err := n.Serve(ctx, kind, n.Network()); err != nil {
			return err
		}
	}
	return nil
}

// StartGuest boots the guest from its disk: a NIC in each network with the MACs that it always has,
// all of them down, as its kernel finds them.
func (c *Cloud) StartGuest() error {
	cfg := c.config("vm")
	cfg.Disk = c.disk
	if c.options.GuestRoot != "" {
		cfg.Root = c.options.GuestRoot
	}
	m, err := c.Lab.Boot(cfg)
	if err != nil {
		return err
	}
	c.Guest, c.Ports = m, nil
	for _, n := range c.Nets {
		p, err := m.Plug(n.Segment, n.NIC, n.Reserved.MAC)
		if err != nil {
			return err
		}
		c.Ports = append(c.Ports, p)
	}
	return nil
}

// GuestUp sets all NICs of the guest up.
func (c *Cloud) GuestUp() error {
	for _, n := range c.Nets {
		if err := c.Guest.Up(n.NIC); err != nil {
			return err
		}
	}
	return nil
}

// StopGuest takes the guest's power away. Its disk stays.
func (c *Cloud) StopGuest() error {
	err := c.Guest.Close()
	c.Guest, c.Ports = nil, nil
	return err
}
