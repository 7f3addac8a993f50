package lab

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/vishvananda/netlink"
)

// A Segment is one link: a bridge on a machine of its own, whose ports are the others' NICs.
type Segment struct {
	*Machine
	Capture *Capture // every frame that any machine sends
	bridge  netlink.Link
	ports   int
}

// Segment makes a link. The root must have nft, which drops frames where a test wants loss.
func (l *Lab) Segment(cfg Config) (*Segment, error) {
	m, err := l.Boot(cfg)
	if err != nil {
		return nil, err
	}
	s := &Segment{Machine: m}
	// The bridge itself speaks to nobody: no address, no router solicitations of its own.
	if err := m.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"); err != nil {
		return nil, err
	}
	if err := m.link.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}); err != nil {
		return nil, fmt.Errorf("%s: bridge: %w", cfg.Name, err)
	}
	if s.bridge, err = m.link.LinkByName("br0"); err != nil {
		return nil, err
	}
	if err := m.link.LinkSetUp(s.bridge); err != nil {
		return nil, err
	}
	s.Capture, err = newCapture(m, s.bridge.Attrs().Index)
	return s, err
}

// A Port is the segment's end of a machine's cable.
type Port struct {
	segment *Segment
	machine *Machine
	name    string
	nic     string
}

// Plug gives the machine a NIC on the segment, down as a driver leaves it.
func (m *Machine) Plug(s *Segment, nic string, mac net.HardwareAddr) (*Port, error) {
	s.lab.mu.Lock()
	s.ports++
	port := fmt.Sprintf("port%d", s.ports)
	s.lab.mu.Unlock()
	attrs := netlink.LinkAttrs{Name: port, MasterIndex: s.bridge.Attrs().Index}
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: nic, PeerHardwareAddr: mac, PeerNamespace: netlink.NsFd(m.ns)}
	if err := s.link.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("plug %s of %s into %s: %w", nic, m.Name, s.Name, err)
	}
	p := &Port{segment: s, machine: m, name: port, nic: nic}
	return p, p.Carrier(true)
}

// Cable joins two machines by a cable of their own, without a segment between: nothing is captured, and
// nothing but the two ends costs time. Both NICs are down.
func Cable(a *Machine, nicA string, macA net.HardwareAddr, b *Machine, nicB string, macB net.HardwareAddr) error {
	attrs := netlink.LinkAttrs{Name: nicA, HardwareAddr: macA}
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: nicB, PeerHardwareAddr: macB, PeerNamespace: netlink.NsFd(b.ns)}
	if err := a.link.LinkAdd(veth); err != nil {
		return fmt.Errorf("cable from %s to %s: %w", a.Name, b.Name, err)
	}
	return nil
}

// Carrier plugs the cable in, or pulls it out.
func (p *Port) Carrier(on bool) error {
	l, err := p.segment.link.LinkByName(p.name)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	if on {
		return p.segment.link.LinkSetUp(l)
	}
	return p.segment.link.LinkSetDown(l)
}

// Remove takes the NIC out of the machine.
func (p *Port) Remove() error {
	l, err := p.segment.link.LinkByName(p.name)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return p.segment.link.LinkDel(l)
}

// Up sets a NIC of the machine up.
func (m *Machine) Up(nic string) error { return m.changeLink(nic, m.link.LinkSetUp) }

// Down sets a NIC of the machine down.
func (m *Machine) Down(nic string) error { return m.changeLink(nic, m.link.LinkSetDown) }

// SetMAC changes the address of a NIC of the machine.
func (m *Machine) SetMAC(nic string, mac net.HardwareAddr) error {
	return m.changeLink(nic, func(l netlink.Link) error { return m.link.LinkSetHardwareAddr(l, mac) })
}

func (m *Machine) changeLink(nic string, change func(netlink.Link) error) error {
	l, err := m.link.LinkByName(nic)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", m.Name, nic, err)
	}
	if err := change(l); err != nil {
		return fmt.Errorf("%s: %s: %w", m.Name, nic, err)
	}
	return nil
}

// AddAddress puts an address on a NIC, usable at once.
func (m *Machine) AddAddress(nic, prefix string) error {
	addr, err := netlink.ParseAddr(prefix)
	if err != nil {
		return err
	}
	addr.Flags = 2 // IFA_F_NODAD: the lab gives no address twice unless a test wants it
	return m.changeLink(nic, func(l netlink.Link) error { return m.link.AddrAdd(l, addr) })
}

// DeleteAddress takes an address off a NIC.
func (m *Machine) DeleteAddress(nic, prefix string) error {
	addr, err := netlink.ParseAddr(prefix)
	if err != nil {
		return err
	}
	return m.changeLink(nic, func(l netlink.Link) error { return m.link.AddrDel(l, addr) })
}

// Lose makes the segment drop this share of all frames, in percent; 0 ends it.
func (s *Segment) Lose(ctx context.Context, percent int) error {
	rules := "table bridge lab\ndelete table bridge lab\n"
	if percent > 0 {
		rules += fmt.Sprintf("table bridge lab { chain loss { type filter hook forward priority 0; numgen random mod 100 <= %d drop; }; }\n", percent-1)
	}
	return s.filter(ctx, rules)
}

// Drop makes the segment drop the frames that match any of these expressions of nft's language, such as
// "udp dport 547"; it takes the place of a former Drop or Lose.
func (s *Segment) Drop(ctx context.Context, matches ...string) error {
	rules := ""
	for _, m := range matches {
		rules += m + " drop; "
	}
	return s.filter(ctx, "table bridge lab\ndelete table bridge lab\n"+
		"table bridge lab { chain unwanted { type filter hook forward priority 0; "+rules+"}; }\n")
}

func (s *Segment) filter(ctx context.Context, rules string) error {
	r, err := s.RunInput(ctx, strings.NewReader(rules), "nft", "-f", "-")
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("%s: nft: %s", s.Name, r.Stderr)
	}
	return err
}
