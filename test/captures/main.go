// Command captures records what others' servers and clients say to each other, one message a file, as
// the seeds of the fuzz tests. It is run by hand, when a peer or an exchange is new:
//
//	go run ./test/captures pkg/wire/testdata/captures pkg/ra/testdata/captures
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "captures:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: captures DHCPV6-FOLDER ICMPV6-FOLDER")
	}
	for _, dir := range args {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for _, kind := range []peer.Kind{peer.Dnsmasq, peer.Kea} {
		for name, talk := range map[string]func(context.Context, *cloud.Cloud) error{"dhclient": dhclient, "dhcpcd": dhcpcd} {
			if err := record(ctx, kind, name, talk, args[0], args[1]); err != nil {
				return fmt.Errorf("%s and %s: %w", name, kind, err)
			}
		}
	}
	return nil
}

func record(ctx context.Context, kind peer.Kind, name string, talk func(context.Context, *cloud.Cloud) error, dhcpDir, icmpDir string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	root, err := roots.Get(ctx, roots.Peers, os.Stderr)
	if err != nil {
		return err
	}
	c, err := cloud.New(ctx, cloud.Options{Root: root, Networks: 1})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := errors.Join(c.Serve(ctx, kind), c.StartGuest(), c.GuestUp()); err != nil {
		return err
	}
	_, err = c.Guest.Await(ctx, "a link-local address and a default route", func(s lab.State) bool {
		return s.LinkLocal("eth0").IsValid() && len(s.Default()) == 1
	})
	if err != nil {
		return err
	}
	if err := talk(ctx, c); err != nil {
		return err
	}
	return save(c.Nets[0].Segment.Capture.Packets(), name, string(kind), dhcpDir, icmpDir)
}

// leased waits until the guest has its address, or has lost it.
func leased(ctx context.Context, c *cloud.Cloud, want bool) error {
	addr := c.Nets[0].Reserved.Addr
	_, err := c.Guest.Await(ctx, addr.String(), func(s lab.State) bool { return s.Usable("eth0", addr) == want })
	return err
}

// dhclient leases, is stopped and started again (Confirm), releases, and asks for information only.
func dhclient(ctx context.Context, c *cloud.Cloud) error {
	for range 2 {
		p, err := peer.StartDhclient(c.Guest, "eth0")
		if err != nil {
			return err
		}
		if _, err := p.AwaitLine(ctx, 0, "Reply"); err != nil {
			return err
		}
		if err := errors.Join(leased(ctx, c, true), p.Kill()); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"-r"}, {"-S", "-1"}} {
		args = append([]string{"dhclient", "-6", "-v", "-D", "LL", "-lf", "/var/lib/dhcp/dhclient6.eth0.leases", "-pf", "/run/x.pid"}, append(args, "eth0")...)
		if r, err := c.Guest.Run(ctx, args...); err != nil {
			return fmt.Errorf("%w\n%s", err, r.Stderr)
		}
	}
	return nil
}

// dhcpcd leases, is stopped and started again (Confirm), and releases.
func dhcpcd(ctx context.Context, c *cloud.Cloud) error {
	p, err := peer.StartDhcpcd(c.Guest, "eth0")
	if err != nil {
		return err
	}
	if _, err := p.AwaitLine(ctx, 0, "DAD completed"); err != nil {
		return err
	}
	if _, err := c.Guest.Run(ctx, "dhcpcd", "--exit", "eth0"); err != nil {
		return err
	}
	if _, err := p.Wait(ctx); err != nil {
		return err
	}
	if p, err = peer.StartDhcpcd(c.Guest, "eth0"); err != nil {
		return err
	}
	if _, err := p.AwaitLine(ctx, 0, "DAD completed"); err != nil {
		return err
	}
	if _, err := c.Guest.Run(ctx, "dhcpcd", "--release", "eth0"); err != nil {
		return err
	}
	return leased(ctx, c, false)
}

// save writes the first message of each type, and the first answer to each: the UDP payload, or the
// ICMPv6 message from its type on.
func save(packets []lab.Packet, client, server, dhcpDir, icmpDir string) error {
	seen := map[string]bool{}
	asked := map[[3]byte]string{} // by transaction id
	for _, p := range packets {
		var path string
		switch {
		case p.DstPort == 547 && len(p.Payload) >= 4:
			kind := messageType(p)
			asked[[3]byte(p.Payload[1:4])] = kind
			path = filepath.Join(dhcpDir, client+"-"+server+"-"+kind+".bin")
		case p.DstPort == 546 && len(p.Payload) >= 4:
			kind := messageType(p) + "-to-" + asked[[3]byte(p.Payload[1:4])]
			path = filepath.Join(dhcpDir, client+"-"+server+"-"+kind+".bin")
		case p.ICMP == lab.RouterAdvertisement:
			path = filepath.Join(icmpDir, server+"-advertisement.bin")
		case p.ICMP == lab.RouterSolicitation:
			path = filepath.Join(icmpDir, "kernel-solicitation.bin")
		default:
			continue
		}
		if seen[path] {
			continue
		}
		seen[path] = true
		if err := os.WriteFile(path, p.Payload, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func messageType(p lab.Packet) string {
	return strings.ToLower(dhcpv6.MessageType(p.Payload[0]).String())
}
