package ra

import (
	"fmt"
	"strings"
	"time"
)

// String writes the packet as one line for a person who watches: the message, or why it is dropped.
// It holds nothing that came unchecked.
func (p Packet) String() string {
	switch p.Type() {
	case TypeAdvertisement:
		a, err := p.Advertisement()
		if err != nil {
			return fmt.Sprintf("router advertisement, dropped: %s", err)
		}
		return a.String()
	case TypeSolicitation:
		s, err := p.Solicitation()
		if err != nil {
			return fmt.Sprintf("router solicitation, dropped: %s", err)
		}
		return s.String()
	}
	return fmt.Sprintf("ICMPv6 type %d", p.Type())
}

// String writes the solicitation as one line.
func (s *Solicitation) String() string {
	var w words
	w.add("router solicitation")
	w.addIf(s.SourceLinkLayer != nil, "mac %s", s.SourceLinkLayer)
	w.flaws(s.Flaws)
	return w.String()
}

// String writes the advertisement as one line.
func (a *Advertisement) String() string {
	var w words
	w.add("router advertisement")
	w.addIf(a.Managed, "M")
	w.addIf(a.Other, "O")
	w.add("lifetime %s", lifetime(a.RouterLifetime))
	w.addIf(a.Preference != Medium, "%s preference", a.Preference)
	w.addIf(a.HopLimit != 0, "hop limit %d", a.HopLimit)
	w.addIf(a.ReachableTime != 0, "reachable %s", a.ReachableTime)
	w.addIf(a.RetransTimer != 0, "retransmit %s", a.RetransTimer)
	w.addIf(a.SourceLinkLayer != nil, "mac %s", a.SourceLinkLayer)
	w.addIf(a.MTU != 0, "mtu %d", a.MTU)
	for _, p := range a.Prefixes {
		flags := ""
		if p.OnLink {
			flags += " L"
		}
		if p.Autonomous {
			flags += " A"
		}
		w.add("prefix %s%s preferred %s valid %s", p.Prefix, flags, lifetime(p.Preferred), lifetime(p.Valid))
	}
	for _, r := range a.Routes {
		w.add("route %s %s for %s", r.Prefix, r.Preference, lifetime(r.Lifetime))
	}
	for _, r := range a.RDNSS {
		w.add("dns %s for %s", join(r.Servers), lifetime(r.Lifetime))
	}
	for _, d := range a.DNSSL {
		w.add("search %s for %s", join(d.Domains), lifetime(d.Lifetime))
	}
	for _, p := range a.PREF64 {
		w.add("nat64 %s for %s", p.Prefix, lifetime(p.Lifetime))
	}
	w.flaws(a.Flaws)
	return w.String()
}

// words is a line in the making, its parts separated by commas.
type words struct{ strings.Builder }

func (w *words) add(format string, args ...any) {
	if w.Len() > 0 {
		w.WriteString(", ")
	}
	_, _ = fmt.Fprintf(w, format, args...) // a Builder never fails
}

func (w *words) addIf(condition bool, format string, args ...any) {
	if condition {
		w.add(format, args...)
	}
}

func (w *words) flaws(flaws []Flaw) {
	for _, f := range flaws {
		w.add("option %d left out (%s)", f.Option, f.Reason)
	}
}

func join[T any](list []T) string {
	return strings.Trim(fmt.Sprint(list), "[]")
}

func lifetime(d time.Duration) string {
	if d >= Infinite {
		return "ever"
	}
	return d.String()
}
