package sender

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra"
)

// MaxOthers is how many other routers are told apart; newcomers beyond are counted only.
const MaxOthers = 8

// otherLife is how long another router is known after its last advertisement, if its router lifetime
// is not longer: three times the longest interval of RFC 4861.
const otherLife = 3 * 1800 * time.Second

// An Other is a router that was heard on the link.
type Other struct {
	Addr       netip.Addr
	Default    bool // it advertises itself as a default router
	Heard      clock.Instant
	Contradict []string // the fields in which it contradicts this one
}

// An other router, as the engine keeps it.
type other struct {
	addr      netip.Addr
	isDefault bool
	heard     clock.Instant
	until     clock.Instant
	fields    []string
	ends      map[netip.Prefix]end // of the prefixes that this router advertises too
}

// An end of a prefix as another router said it last: to tell whether its lifetimes run down.
type end struct{ at, heard clock.Instant }

func (o other) snapshot() Other {
	return Other{Addr: o.addr, Default: o.isDefault, Heard: o.heard, Contradict: slices.Clone(o.fields)}
}

// take takes in a message.
func (e *Engine) take(p ra.Packet) {
	if p.From == e.linkLocal && e.linkLocal.IsValid() {
		return // our own
	}
	switch p.Type() {
	case ra.TypeSolicitation:
		s, err := p.Solicitation()
		if err != nil {
			e.malformed(err, p.From)
			return
		}
		e.solicited(p.From, s)
	case ra.TypeAdvertisement:
		a, err := p.Advertisement()
		if err != nil {
			e.malformed(err, p.From)
			return
		}
		e.hear(p.From, a)
	default:
		e.drop("another ICMPv6 type", p.From)
	}
}

func (e *Engine) malformed(err error, from netip.Addr) {
	reason := "malformed"
	if bad := (*ra.MalformedError)(nil); errors.As(err, &bad) {
		reason = bad.Reason
	}
	e.drop(reason, from)
}

// hear takes in another router's advertisement (RFC 4861, section 6.2.7).
func (e *Engine) hear(from netip.Addr, a *ra.Advertisement) {
	e.heard++
	e.others = slices.DeleteFunc(e.others, func(o other) bool { return o.until <= e.now })
	i := slices.IndexFunc(e.others, func(o other) bool { return o.addr == from })
	if i < 0 {
		if len(e.others) == MaxOthers {
			e.dropped["too many other routers"]++
			return
		}
		i, e.others = len(e.others), append(e.others, other{addr: from, ends: map[netip.Prefix]end{}})
	}
	o := &e.others[i]
	if a.RouterLifetime > 0 && !o.isDefault {
		e.event(slog.LevelWarn, "another default router is on the link", "", from,
			slog.Any("router", from), slog.Duration("lifetime", a.RouterLifetime), slog.String("preference", a.Preference.String()))
	}
	o.isDefault = a.RouterLifetime > 0
	differences := e.compare(o, a)
	o.heard, o.until = e.now, e.now.Add(max(otherLife, a.RouterLifetime))
	var fields []string
	for _, d := range differences {
		if !slices.Contains(o.fields, d.field) {
			e.event(slog.LevelWarn, "another router contradicts this one", d.field, from,
				slog.Any("router", from), slog.String("field", d.field), slog.String("ours", d.ours), slog.String("theirs", d.theirs))
		}
		if !slices.Contains(fields, d.field) {
			fields = append(fields, d.field)
		}
	}
	o.fields = fields
}

// A difference is a contradiction between another router's advertisement and this one's.
type difference struct{ field, ours, theirs string }

// compare finds what contradicts. What is unspecified, or said by one side only, does not.
func (e *Engine) compare(o *other, a *ra.Advertisement) (all []difference) {
	ours := e.says
	differ := func(field string, ours, theirs any) {
		all = append(all, difference{field, fmt.Sprint(ours), fmt.Sprint(theirs)})
	}
	if ours.Managed != a.Managed {
		differ("managed flag", ours.Managed, a.Managed)
	}
	if ours.Other != a.Other {
		differ("other flag", ours.Other, a.Other)
	}
	if contradict(ours.HopLimit, a.HopLimit) {
		differ("hop limit", ours.HopLimit, a.HopLimit)
	}
	if contradict(ours.ReachableTime, a.ReachableTime) {
		differ("reachable time", ours.ReachableTime, a.ReachableTime)
	}
	if contradict(ours.RetransTimer, a.RetransTimer) {
		differ("retransmission timer", ours.RetransTimer, a.RetransTimer)
	}
	if contradict(ours.MTU, a.MTU) {
		differ("MTU", ours.MTU, a.MTU)
	}
	all = append(all, comparePREF64(ours.PREF64, a.PREF64)...)
	return append(all, e.comparePrefixes(o, a)...)
}

func contradict[T comparable](ours, theirs T) bool {
	var unspecified T
	return ours != unspecified && theirs != unspecified && ours != theirs
}

// comparePREF64 compares the sets of NAT64 prefixes, where both have one (RFC 8781, section 5.1).
func comparePREF64(ours, theirs []ra.PREF64) []difference {
	a, b := nat64Set(ours), nat64Set(theirs)
	if len(a) == 0 || len(b) == 0 || slices.Equal(a, b) {
		return nil
	}
	return []difference{{"NAT64 prefixes", fmt.Sprint(a), fmt.Sprint(b)}}
}

func nat64Set(list []ra.PREF64) (set []netip.Prefix) {
	for _, p := range list {
		if p.Lifetime > 0 {
			set = append(set, p.Prefix)
		}
	}
	slices.SortFunc(set, netip.Prefix.Compare)
	return slices.Compact(set)
}

// lifetimeSlack is how far apart lifetimes may be that mean the same.
const lifetimeSlack = 5 * time.Second

// comparePrefixes compares the lifetimes of prefixes that both advertise. Those of another router that
// run down to a fixed moment, which takes two advertisements to see, contradict nothing.
func (e *Engine) comparePrefixes(o *other, a *ra.Advertisement) (all []difference) {
	for _, ours := range e.says.Prefixes {
		i := slices.IndexFunc(a.Prefixes, func(p ra.Prefix) bool { return p.Prefix == ours.Prefix })
		if i < 0 {
			continue
		}
		theirs := a.Prefixes[i]
		if near(ours.Valid, theirs.Valid) && near(ours.Preferred, theirs.Preferred) {
			delete(o.ends, ours.Prefix)
			continue
		}
		field := fmt.Sprintf("lifetimes of %s", ours.Prefix)
		was, known := o.ends[ours.Prefix]
		now := end{e.endOf(theirs.Valid), e.now}
		gap := e.now.Sub(was.heard)
		switch {
		case !known:
			o.ends[ours.Prefix] = now
			continue
		case gap < lifetimeSlack: // too close to tell
			if !slices.Contains(o.fields, field) {
				continue
			}
		case now.at.Sub(was.at) < gap/2: // they run down
			o.ends[ours.Prefix] = now
			continue
		default:
			o.ends[ours.Prefix] = now
		}
		all = append(all, difference{
			field, fmt.Sprintf("preferred %s, valid %s", ours.Preferred, ours.Valid),
			fmt.Sprintf("preferred %s, valid %s", theirs.Preferred, theirs.Valid),
		})
	}
	return all
}

func near(a, b time.Duration) bool { return max(a, b)-min(a, b) <= lifetimeSlack }

// endOf is the end of a lifetime that begins now.
func (e *Engine) endOf(lifetime time.Duration) clock.Instant {
	if lifetime >= ra.Infinite {
		return clock.Never
	}
	return e.now.Add(lifetime)
}
