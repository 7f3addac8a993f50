// Package ratest is what the tests of both engines have in common: advertisements written as text,
// stories with their traces, and a wire between runners.
package ratest

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/ra"
)

// Parse reads an advertisement from words: M, O, low, high, lifetime D, hops N, reachable D,
// retransmit D, mtu N, mac M, prefix P[=LA] PREFERRED VALID, route P PREFERENCE D, dns ADDR,... D,
// search NAME,... D, nat64 P D. A lifetime is a duration, or "ever".
func Parse(words []string) (ra.Advertisement, error) {
	p := parser{words: words}
	for len(p.words) > 0 && p.err == nil {
		p.word(p.take())
	}
	return p.a, p.err
}

type parser struct {
	words []string
	a     ra.Advertisement
	err   error
}

func (p *parser) take() string {
	if len(p.words) == 0 {
		p.fail(fmt.Errorf("a word is missing"))
		return ""
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w
}

func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *parser) word(w string) {
	a := &p.a
	switch w {
	case "M":
		a.Managed = true
	case "O":
		a.Other = true
	case "low", "high":
		a.Preference = p.preference(w)
	case "lifetime":
		a.RouterLifetime = p.lifetime()
	case "hops":
		a.HopLimit = uint8(p.number())
	case "reachable":
		a.ReachableTime = p.lifetime()
	case "retransmit":
		a.RetransTimer = p.lifetime()
	case "mtu":
		a.MTU = uint32(p.number())
	case "mac":
		mac, err := net.ParseMAC(p.take())
		p.fail(err)
		a.SourceLinkLayer = mac
	case "prefix":
		text, flags, _ := strings.Cut(p.take(), "=")
		prefix := ra.Prefix{Prefix: p.prefix(text), OnLink: strings.Contains(flags, "L"), Autonomous: strings.Contains(flags, "A")}
		prefix.Preferred, prefix.Valid = p.lifetime(), p.lifetime()
		a.Prefixes = append(a.Prefixes, prefix)
	case "route":
		a.Routes = append(a.Routes, ra.Route{Prefix: p.prefix(p.take()), Preference: p.preference(p.take()), Lifetime: p.lifetime()})
	case "dns":
		var servers []netip.Addr
		for text := range strings.SplitSeq(p.take(), ",") {
			addr, err := netip.ParseAddr(text)
			p.fail(err)
			servers = append(servers, addr)
		}
		a.RDNSS = append(a.RDNSS, ra.RDNSS{Servers: servers, Lifetime: p.lifetime()})
	case "search":
		a.DNSSL = append(a.DNSSL, ra.DNSSL{Domains: strings.Split(p.take(), ","), Lifetime: p.lifetime()})
	case "nat64":
		a.PREF64 = append(a.PREF64, ra.PREF64{Prefix: p.prefix(p.take()), Lifetime: p.lifetime()})
	default:
		p.fail(fmt.Errorf("no word %q", w))
	}
}

func (p *parser) lifetime() time.Duration {
	w := p.take()
	if w == "ever" {
		return ra.Infinite
	}
	d, err := time.ParseDuration(w)
	p.fail(err)
	return d
}

func (p *parser) number() int {
	n, err := strconv.Atoi(p.take())
	p.fail(err)
	return n
}

func (p *parser) prefix(text string) netip.Prefix {
	prefix, err := netip.ParsePrefix(text)
	p.fail(err)
	return prefix
}

func (p *parser) preference(w string) ra.Preference {
	for _, preference := range []ra.Preference{ra.Low, ra.Medium, ra.High} {
		if preference.String() == w {
			return preference
		}
	}
	p.fail(fmt.Errorf("no preference %q", w))
	return 0
}

// Packet is the advertisement as it would be received from a router.
func Packet(from string, a ra.Advertisement) (ra.Packet, error) {
	addr, err := netip.ParseAddr(from)
	if err != nil {
		return ra.Packet{}, err
	}
	packets, err := a.Marshal(9000)
	if err != nil {
		return ra.Packet{}, err
	}
	if len(packets) != 1 {
		return ra.Packet{}, fmt.Errorf("%d packets", len(packets))
	}
	return ra.Packet{Data: packets[0], From: addr, HopLimit: ra.HopLimit}, nil
}
