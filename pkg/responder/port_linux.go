package responder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A port is a NIC that is served, be it there or not.
type port struct {
	*Server
	network *NetworkConfig
	log     *slog.Logger

	nic  link.NIC     // its Index is 0 while it is not there
	conn *packetConn  // nil while it is not there
	mute bool         // it was told that nothing can be sent
	ra   *advertising // nil while no advertisements are sent
}

// linkEvent follows the served NICs: they come, go, come back under another index, are renamed.
func (s *Server) linkEvent(ev link.Event) error {
	switch ev := ev.(type) {
	case link.NICChanged:
		s.nics[ev.NIC.Index] = ev.NIC
		if ev.Before != nil && ev.Before.Name != ev.NIC.Name {
			s.gone(ev.NIC.Index)
		}
		if p := s.ports[ev.NIC.Name]; p != nil {
			return p.present(ev.NIC)
		}
	case link.NICGone:
		delete(s.nics, ev.NIC.Index)
		delete(s.locals, ev.NIC.Index)
		delete(s.forwards, ev.NIC.Index)
		s.gone(ev.NIC.Index)
	case link.AddrChanged:
		s.ownAddress(ev.Addr.Addr)
		return s.linkLocal(ev.Addr.Index, ev.Addr.Addr, ev.Addr.Usable())
	case link.AddrGone:
		s.step(OwnAddress{Addr: ev.Addr.Addr, Gone: true})
		return s.linkLocal(ev.Addr.Index, ev.Addr.Addr, false)
	}
	return nil
}

// byIndex is the served NIC with that index, nil if there is none.
func (s *Server) byIndex(index int) *port {
	if p := s.ports[s.nics[index].Name]; p != nil && p.nic.Index == index {
		return p
	}
	return nil
}

// gone ends the service of a NIC that is not there any more, or has another name now.
func (s *Server) gone(index int) {
	for _, p := range s.ports {
		if p.nic.Index == index && index != 0 {
			p.log.Warn("interface is gone; it is served again when it is back")
			p.close() // nothing that could fail matters: the NIC is not there
		}
	}
}

// present serves the NIC as it is now.
func (p *port) present(nic link.NIC) error {
	before := p.nic
	p.nic = nic
	if p.conn == nil || before.Index != nic.Index {
		if before.Index != 0 {
			p.close()
			p.nic = nic
		}
		if err := p.open(); err != nil {
			return err
		}
	}
	if nic.Up && (!before.Up || before.Index != nic.Index) {
		if err := p.join(); err != nil {
			p.log.Warn("multicast group", "error", err)
		}
	}
	if before.Index == nic.Index && !bytes.Equal(before.MAC, nic.MAC) {
		p.cease(false) // advertisements name the MAC: begin anew
	}
	return p.advertise()
}

// open opens the packet socket and, if this is the NIC that the server's DUID is to be made of, makes it.
func (p *port) open() error {
	conn, err := openPacket(p.nic.Name, p.nic.Index)
	if errors.Is(err, unix.ENODEV) {
		p.nic = link.NIC{} // gone again; an event will tell
		return nil
	}
	if err != nil {
		return notPermitted(err)
	}
	p.conn = conn
	if !p.known && p.first() {
		if err := p.makeDUID(); err != nil {
			return err
		}
	}
	p.spawn(func() { p.read(conn) })
	p.log.Info("serving", "network", p.network.Name, "prefix", p.network.Prefix, "mac", p.nic.MAC.String())
	return nil
}

// first reports whether this is the first NIC of the configuration.
func (p *port) first() bool {
	i := slices.IndexFunc(p.opts.Config.Networks, func(n NetworkConfig) bool { return n.Interface != "" })
	return p.network == &p.opts.Config.Networks[i]
}

// makeDUID makes the server's DUID of the NIC's MAC and keeps it.
func (p *port) makeDUID() error {
	duid := wire.LinkLayerDUID(p.nic.MAC)
	if duid == "" {
		return &fault.Fault{
			Err:  errors.New("the server has no DUID: " + p.nic.Name + " has no MAC of which one could be made"),
			Cure: "write duid = … into [server]", Exit: fault.ExitUsage,
		}
	}
	if err := saveDUID(p.opts.StateDir, duid); err != nil {
		return err
	}
	p.identify(duid)
	return nil
}

// join makes the kernel receive what is sent to the servers, and tell switches so (MLD).
func (p *port) join() error {
	err := p.udp.join(allServers, p.nic.Index)
	if len(p.opts.Config.TrustedRelays) > 0 {
		err = errors.Join(err, p.udp.join(siteServers, p.nic.Index))
	}
	return err
}

// local is the address that the NIC's answers come from, the zero Addr while it has none.
func (p *port) local() netip.Addr {
	if list := p.locals[p.nic.Index]; len(list) > 0 {
		return list[0]
	}
	return netip.Addr{}
}

// linkLocal notes whether a NIC has a link-local address that can be used.
func (s *Server) linkLocal(index int, a netip.Addr, usable bool) error {
	if !a.IsLinkLocalUnicast() {
		return nil
	}
	list := s.locals[index]
	i := slices.Index(list, a)
	switch {
	case usable && i < 0:
		list = append(list, a)
	case !usable && i >= 0:
		list = slices.Delete(list, i, i+1)
	}
	s.locals[index] = list
	if p := s.byIndex(index); p != nil {
		return p.advertise()
	}
	return nil
}

// close ends the service of the NIC. Guests are told nothing: it may be back in a moment.
func (p *port) close() {
	p.cease(false)
	if p.conn != nil {
		p.meters.overrun += p.conn.overrun()
		_ = p.conn.close() // it only ends the read
	}
	if p.nic.Index != 0 {
		p.udp.leave(allServers, p.nic.Index)
		p.udp.leave(siteServers, p.nic.Index)
	}
	p.conn, p.nic = nil, link.NIC{}
}

// read answers what comes in by the packet socket.
func (p *port) read(conn *packetConn) {
	for {
		n, err := conn.receive()
		if errors.Is(err, os.ErrClosed) {
			return
		}
		at := time.Now()
		p.turn(func() error {
			if p.known && p.conn == conn { // else nobody can be answered yet, or any more
				p.answer(n, at)
			}
			return nil
		})
	}
}

// answer answers the first n frames that the packet socket has read. When they came is told by Go's monotonic
// clock, which is only for the metrics.
func (p *port) answer(n int, at time.Time) {
	s, now, messages := p.Server, p.opts.Clock.Now(), 0
	for i := range n {
		frame, ok := p.conn.arrived(i)
		if !ok || !direct(frame) {
			continue
		}
		messages++
		if relayed(frame.payload) {
			p.answerLightweight(now, &frame)
			continue
		}
		msg, err := s.decoder.Decode(frame.payload)
		if err != nil {
			s.do(s.engine.Step(now, Malformed{FrameMAC: frame.mac, From: frame.src, Interface: p.nic.Name, Err: err}))
			continue
		}
		s.message = Received{Msg: msg, FrameMAC: frame.mac, From: frame.src, Interface: p.nic.Name, Unicast: !frame.dst.Addr().IsMulticast()}
		s.trace(p.nic.Name, "<", frame.src, frame.mac, msg, 0)
		s.do(s.engine.Step(now, &s.message))
	}
	s.flush()
	s.took(at, messages)
}

// direct leaves out what relays send, which is the UDP socket's business, and what is for other groups.
func direct(f arrival) bool {
	return len(f.payload) > 0 && (!relayed(f.payload) || lightweight(f.payload, f.src.Addr())) && (f.dst.Addr() == allServers || !f.dst.Addr().IsMulticast())
}

// answerLightweight answers what a Lightweight DHCPv6 Relay Agent has wrapped: its frame is still the client's.
func (p *port) answerLightweight(now clock.Instant, frame *arrival) {
	s, mac := p.Server, bytes.Clone(frame.mac)
	msg, relays, err := wire.DecodeRelayed(frame.payload)
	if err != nil {
		s.do(s.engine.Step(now, Malformed{FrameMAC: mac, From: frame.src, Interface: p.nic.Name, Err: err}))
		return
	}
	s.trace(p.nic.Name, "<", frame.src, mac, msg, len(relays))
	s.do(s.engine.Step(now, &Received{Msg: msg, Relays: relays, FrameMAC: mac, From: frame.src, Interface: p.nic.Name, Unicast: !frame.dst.Addr().IsMulticast()}))
}

// lightweight reports whether a Relay-forward is a Lightweight DHCPv6 Relay Agent's: it names no link, and has
// the client's address as its source (RFC 6221, section 5.3).
func lightweight(payload []byte, src netip.Addr) bool {
	if len(payload) < 34 || dhcpv6.MessageType(payload[0]) != dhcpv6.MessageTypeRelayForward || !src.IsLinkLocalUnicast() {
		return false
	}
	return [16]byte(payload[2:18]) == [16]byte{} && [16]byte(payload[18:34]) == src.As16()
}

// took notes how long so many messages have taken.
func (s *Server) took(since time.Time, messages int) {
	took := time.Since(since).Seconds()
	for range messages {
		s.meters.seconds.Update(took)
	}
}

func relayed(payload []byte) bool {
	t := dhcpv6.MessageType(payload[0])
	return t == dhcpv6.MessageTypeRelayForward || t == dhcpv6.MessageTypeRelayReply
}

// readUDP answers what only the UDP socket hears: messages through relays, and those that came in
// fragments, whose sender's MAC is not known.
func (s *Server) readUDP() {
	for {
		n, err := s.udp.receive()
		if err != nil {
			return
		}
		at := time.Now()
		s.turn(func() error {
			if !s.known { // nobody can be answered yet
				return nil
			}
			messages := 0
			for i := range n {
				a, ok := s.udp.arrived(i)
				if !ok || len(a.payload) == 0 || !a.fragmented && (!relayed(a.payload) || lightweight(a.payload, a.src.Addr())) {
					continue // a packet socket hears it too
				}
				messages++
				s.answerRelayed(&a)
			}
			s.flush()
			s.took(at, messages)
			return nil
		})
	}
}

// answerRelayed answers a message that came in by the UDP socket.
func (s *Server) answerRelayed(a *udpArrival) {
	name := s.nics[a.index].Name
	msg, relays, err := wire.DecodeRelayed(a.payload)
	if err != nil {
		s.step(Malformed{From: a.src, Interface: name, Err: err})
	} else {
		s.trace(name, "<", a.src, nil, msg, len(relays))
		s.step(&Received{Msg: msg, Relays: relays, From: a.src, Interface: name, Unicast: !a.dst.IsMulticast()})
	}
}

// step tells the engine what has happened, and does what it says.
func (s *Server) step(ev Event) { s.do(s.engine.Step(s.opts.Clock.Now(), ev)) }

// trace shows a packet as one line, if that was asked for. What a sender wrote in it is escaped.
func (s *Server) trace(iface, sign string, peer netip.AddrPort, mac net.HardwareAddr, m *wire.Message, relays int) {
	if !s.traces() {
		return
	}
	who := peer.Addr().String()
	if mac != nil {
		who += " (" + mac.String() + ")"
	}
	if relays > 0 {
		who += fmt.Sprintf(" through %d relays", relays)
	}
	s.traced(iface, fmt.Sprintf("%s %s: %s", sign, who, m))
}

// do does what the engine says.
func (s *Server) do(actions []Action) {
	for _, a := range actions {
		switch a := a.(type) {
		case Report:
			s.write(a)
		case Store:
			s.keep(a)
		case *Changed:
			r := a.Report(s.attrs[:0])
			s.attrs = r.Attrs
			s.write(r)
			s.publish(a)
		case *Send:
			s.trace(a.Interface, ">", a.To, a.MAC, a.Msg, len(a.Relays))
			s.meters.answered(a.Msg)
			if err := s.send(a); err != nil {
				s.log.Debug("answer not sent", "interface", a.Interface, "to", a.To, "error", err)
			}
		}
	}
}

// write writes a line of the log. A slog.Logger would find out who called it, which no line shows.
func (s *Server) write(r Report) {
	ctx, h := context.Background(), s.log.Handler()
	if h.Enabled(ctx, r.Level) {
		line := slog.NewRecord(time.Now(), r.Level, r.Message, 0)
		line.AddAttrs(r.Attrs...)
		_ = h.Handle(ctx, line) // as slog.Logger has it: who could be told?
	}
}

var errNoLinkLocal = errors.New("the interface has no usable link-local address")

// send sends an answer in a frame to the MAC that asked, or by the UDP socket: to relays, to clients
// whose MAC is not known, and where the answer is longer than a frame, which the kernel fragments.
func (s *Server) send(a *Send) error {
	b, err := s.encode(a)
	if err != nil {
		return err
	}
	p := s.ports[a.Interface]
	if len(a.Relays) > 0 && !a.To.Addr().IsLinkLocalUnicast() {
		return s.udp.push(b, a.To)
	}
	var from netip.Addr
	if p != nil {
		from = p.local()
	}
	if !from.IsValid() {
		if p != nil && !p.mute {
			p.mute = true
			p.log.Warn("guests ask and cannot be answered", "error", errNoLinkLocal)
		}
		return errNoLinkLocal
	}
	p.mute = false
	if size := ipv6Header + udpHeader + len(b); a.MAC == nil || p.nic.MTU < size || size > answerRoom {
		return s.udp.write(b, a.To, p.nic.Index, from)
	}
	if p.conn.queued == 0 {
		s.unsent = append(s.unsent, p.conn)
	}
	return p.conn.push(datagram{src: netip.AddrPortFrom(from, serverPort), dst: a.To, payload: b}, a.MAC)
}

// encode writes an answer; one to a client into s.buf, without allocating.
func (s *Server) encode(a *Send) (b []byte, err error) {
	if len(a.Relays) > 0 {
		return wire.EncodeRelayReply(a.Relays, a.Msg)
	}
	if b, err = a.Msg.AppendAnswer(s.buf[:0]); err == nil {
		s.buf = b
	}
	return b, err
}

// flush sends the answers that wait for it.
func (s *Server) flush() {
	for _, c := range s.unsent {
		if err := c.flush(); err != nil {
			s.log.Debug("answers not sent", "error", err)
		}
	}
	s.unsent = s.unsent[:0]
	if err := s.udp.flush(); err != nil {
		s.log.Debug("answers not sent", "error", err)
	}
}
