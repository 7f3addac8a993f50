package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/wire"
	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// A contender is a way to get an address onto the guest's NIC.
type contender struct {
	name  string
	start func(context.Context, *cloud.Cloud) (*lab.Process, error)
}

var contenders = []contender{
	{"the kernel alone (`ip address add`)", addAddress},
	{"`v6guest lease`, optimistic_dad = yes", leaseOnce("yes")},
	{"`v6guest lease`", leaseOnce("no")},
	{"dhclient -6 -D LL", func(_ context.Context, c *cloud.Cloud) (*lab.Process, error) {
		return peer.StartDhclient(c.Guest, "eth0")
	}},
	{"dhcpcd", func(_ context.Context, c *cloud.Cloud) (*lab.Process, error) {
		return peer.StartDhcpcd(c.Guest, "eth0")
	}},
}

func addAddress(_ context.Context, c *cloud.Cloud) (*lab.Process, error) {
	return c.Guest.Start("ip", "address", "add", c.Nets[0].Reserved.Addr.String()+"/128", "dev", "eth0")
}

func leaseOnce(optimistic string) func(context.Context, *cloud.Cloud) (*lab.Process, error) {
	return func(_ context.Context, c *cloud.Cloud) (*lab.Process, error) {
		if err := c.Guest.WriteFile("/etc/v6guest/v6guest.conf", "[agent]\nnics = eth0\noptimistic_dad = "+optimistic+"\n"); err != nil {
			return nil, err
		}
		return c.Guest.Start("v6guest", "lease", "eth0")
	}
}

// A split says how long the parts of one lease took.
type split struct {
	first    time.Duration // until the first packet of the client left
	exchange time.Duration // from there until the server's last answer
	install  time.Duration // from there until the kernel had the address
	dad      time.Duration // from there until it could be used
	total    time.Duration
}

// timeToAddress measures every contender and prints medians.
func timeToAddress(ctx context.Context, o cloud.Options, kind peer.Kind, count int) error {
	fmt.Printf("From the start of the program to a usable address, NIC up, server %s, median of %d\n\n", kind, count)
	fmt.Println("| client | until the first packet | exchange | install | DAD | total | slowest |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, who := range contenders {
		var splits []split
		for range count {
			s, err := once(ctx, o, kind, who)
			if err != nil {
				return fmt.Errorf("%s: %w", who.name, err)
			}
			splits = append(splits, s)
		}
		median := func(part func(split) time.Duration) time.Duration {
			var all []time.Duration
			for _, s := range splits {
				all = append(all, part(s))
			}
			slices.Sort(all)
			return (all[len(all)/2] + all[(len(all)-1)/2]) / 2
		}
		slowest := slices.MaxFunc(splits, func(a, b split) int { return int(a.total - b.total) })
		fmt.Printf("| %s | %s | %s | %s | %s | **%s** | %s |\n", who.name,
			ms(median(func(s split) time.Duration { return s.first })), ms(median(func(s split) time.Duration { return s.exchange })),
			ms(median(func(s split) time.Duration { return s.install })), ms(median(func(s split) time.Duration { return s.dad })),
			ms(median(func(s split) time.Duration { return s.total })), ms(slowest.total))
	}
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }

// once leases on a guest that was just started and whose NIC is ready.
func once(ctx context.Context, o cloud.Options, kind peer.Kind, who contender) (s split, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := cloud.New(ctx, o)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := errors.Join(c.Serve(ctx, kind), c.StartGuest(), c.GuestUp()); err != nil {
		return s, err
	}
	_, err = c.Guest.Await(ctx, "a link-local address and a default route", func(st lab.State) bool {
		return st.LinkLocal("eth0").IsValid() && len(st.Default()) == 1
	})
	if err != nil {
		return s, err
	}
	p, err := who.start(ctx, c)
	if err != nil {
		return s, err
	}
	addr := c.Nets[0].Reserved.Addr
	if _, err := c.Guest.Await(ctx, addr.String(), func(st lab.State) bool { return st.Usable("eth0", addr) }); err != nil {
		return s, errors.Join(err, errors.New(p.Output()))
	}
	return measure(c, p.Started, addr), nil
}

// measure splits what happened since the start of a client.
func measure(c *cloud.Cloud, start time.Time, addr netip.Addr) (s split) {
	var came, usable time.Time
	for _, ch := range c.Guest.Changes() {
		if ch.Route || ch.Prefix.Addr() != addr {
			continue
		}
		if came.IsZero() {
			came = ch.At
		}
		if ch.Usable && usable.IsZero() {
			usable = ch.At
		}
	}
	first, last := start, start
	for _, p := range c.Nets[0].Segment.Capture.Packets() {
		if p.At.Before(start) || p.At.After(came) {
			continue
		}
		m, err := wire.Decode(p.Payload)
		switch {
		case err != nil || p.DstPort != 546 && p.DstPort != 547:
		case p.DstPort == 547 && first.Equal(start):
			first, last = p.At, p.At
		case m.Type == dhcpv6.MessageTypeReply:
			last = p.At
		}
	}
	return split{first.Sub(start), last.Sub(first), came.Sub(last), usable.Sub(came), usable.Sub(start)}
}
