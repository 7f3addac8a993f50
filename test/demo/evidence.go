package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/v6guest/v6guest/pkg/wire"
	"github.com/v6guest/v6guest/test/lab"
)

// show runs commands in the guest and prints what they print.
func (s *story) show(ctx context.Context, commands ...string) error {
	for _, command := range commands {
		r, err := s.c.Guest.Run(ctx, strings.Fields(command)...)
		if err != nil {
			return err
		}
		text := r.Stdout + r.Stderr
		if strings.TrimSpace(text) == "" {
			text = "(nothing)"
		}
		s.out.show("guest# "+command, text)
		if r.Code != 0 {
			return fmt.Errorf("%s: exit code %d", command, r.Code)
		}
	}
	return nil
}

// markPackets leaves the packets until now out of the next showPackets.
func (s *story) markPackets() {
	for i, n := range s.c.Nets {
		s.seen[i] = len(n.Segment.Capture.Packets())
	}
}

// showPackets prints the DHCPv6 messages since markPackets, in the order in which they were sent.
func (s *story) showPackets() {
	type sent struct {
		lab.Packet
		nic string
	}
	var all []sent
	for i, n := range s.c.Nets {
		for _, p := range n.Segment.Capture.Packets()[s.seen[i]:] {
			if p.DstPort == 547 || p.DstPort == 546 {
				all = append(all, sent{p, n.NIC})
			}
		}
	}
	slices.SortFunc(all, func(a, b sent) int { return a.At.Compare(b.At) })
	var b strings.Builder
	for _, p := range all {
		direction := "->"
		if p.DstPort == 546 {
			direction = "<-"
		}
		text := "not readable"
		if m, err := wire.Decode(p.Payload); err == nil {
			text = m.String()
		}
		fmt.Fprintf(&b, "%6.3fs %s %s %s\n", p.At.Sub(all[0].At).Seconds(), p.nic, direction, text)
	}
	s.out.show("DHCPv6 on the wire (-> from the guest, <- to it)", b.String())
	s.markPackets()
}
