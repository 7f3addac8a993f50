package listener

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra"
)

// A router is an entry of the list of routers.
type router struct {
	Router
	until clock.Instant // when it is forgotten
	told  clock.Instant // the until that Changed told last
}

// advertiserLife is how long a router that is no default router is known after an advertisement: three
// times the longest interval between two (RFC 4861, section 6.2.1).
const advertiserLife = 3 * 1800 * time.Second

// received takes in a message.
func (e *Engine) received(p ra.Packet) {
	a, err := p.Advertisement()
	if err != nil {
		reason := err.Error()
		if bad := (*ra.MalformedError)(nil); errors.As(err, &bad) {
			reason = bad.Reason
		}
		e.drop(slog.LevelDebug, reason, netip.Addr{}, p.From)
		return
	}
	if e.cfg.Accept != nil && !e.cfg.Accept(p.From) {
		e.drop(slog.LevelWarn, "not one of the pinned routers", netip.Addr{}, p.From)
		return
	}
	if !e.takeRouter(p.From, a) {
		e.drop(slog.LevelWarn, "too many routers", netip.Addr{}, p.From)
		return
	}
	e.advertisements++
	for _, f := range a.Flaws {
		e.dropped["option: "+f.Reason]++
	}
	if !e.heard || e.silent {
		e.heard, e.silent, e.news = true, false, true
	}
	e.ask.silentAt = clock.Never
	if a.RouterLifetime > 0 {
		e.answered()
	}
	e.takeLink(a)
	for _, prefix := range atMost(e, a.Prefixes, MaxPrefixes) {
		e.takePrefix(p.From, prefix)
	}
	e.takeLists(p.From, a)
}

// takeRouter takes in the advertisement's header (RFC 4861, section 6.3.4). It returns false if there
// is no room for one more router.
func (e *Engine) takeRouter(from netip.Addr, a *ra.Advertisement) bool {
	r := router{Router: Router{
		Addr: from, MAC: a.SourceLinkLayer, Default: a.RouterLifetime > 0, Preference: a.Preference,
		Managed: a.Managed, Other: a.Other, Heard: e.now,
	}}
	if e.carries(a.MTU) {
		r.MTU = a.MTU
	}
	r.until = e.now.Add(advertiserLife)
	if r.Default {
		r.Until = e.now.Add(a.RouterLifetime)
		r.until = r.Until
	}
	i := slices.IndexFunc(e.routers, func(old router) bool { return old.Addr == from })
	switch {
	case i < 0 && len(e.routers) == MaxRouters && !e.displaceFor(a):
		return false
	case i < 0:
		e.routers = append(e.routers, r)
		e.news = true
		e.event("router heard", from, r.attrs()...)
		return true
	}
	old := e.routers[i]
	if r.MAC == nil {
		r.MAC = old.MAC // nothing is concluded from what is absent
	}
	if r.MTU == 0 {
		r.MTU = old.MTU
	}
	r.told = old.told
	e.news = e.news || !r.sameAs(old) || (said{ends: [4]clock.Instant{r.until}}).news(e.now, said{ends: [4]clock.Instant{old.told}})
	if !r.sameAs(old) {
		e.event("router says something else", from, r.attrs()...)
	}
	e.routers[i] = r
	return true
}

// sameAs compares all but ends.
func (r router) sameAs(old router) bool {
	return r.Default == old.Default && r.MTU == old.MTU && r.Preference == old.Preference && r.Managed == old.Managed && r.Other == old.Other &&
		bytes.Equal(r.MAC, old.MAC)
}

// attrs describes the router for a report.
func (r router) attrs() []slog.Attr {
	return []slog.Attr{
		slog.Bool("default", r.Default), slog.String("preference", r.Preference.String()),
		slog.Bool("managed", r.Managed), slog.Bool("other", r.Other),
	}
}

// forget removes a router from the list; what else it said stays until its end (RFC 4861, section 4.2;
// RFC 8106, section 5.1).
func (e *Engine) forget(i int) {
	for _, l := range e.lists() {
		l.forget(e.routers[i].Addr)
	}
	e.routers = slices.Delete(e.routers, i, i+1)
	e.news = true
}

// takeLink takes over what can have but one value; 0 says nothing (RFC 4861, section 6.3.4).
func (e *Engine) takeLink(a *ra.Advertisement) {
	was := e.link
	if a.HopLimit != 0 {
		e.link.HopLimit = a.HopLimit
	}
	if a.ReachableTime != 0 {
		e.link.ReachableTime = a.ReachableTime
	}
	if a.RetransTimer != 0 {
		e.link.RetransTimer = a.RetransTimer
	}
	switch {
	case e.carries(a.MTU):
		e.link.MTU = a.MTU
	case a.MTU != 0:
		e.dropped["option: MTU out of range"]++
	}
	e.news = e.news || e.link != was
}

// carries says whether a link like this NIC's may have the MTU.
func (e *Engine) carries(mtu uint32) bool { return mtu >= ra.MinMTU && mtu <= e.cfg.MTU }

// takePrefix takes in a Prefix Information option (RFC 4861, section 6.3.4; RFC 4862, section 5.5.3;
// RFC 8028, section 3, for one with neither flag).
func (e *Engine) takePrefix(from netip.Addr, p ra.Prefix) {
	if a := p.Prefix.Addr(); a.IsLinkLocalUnicast() || a.IsMulticast() {
		e.dropped["option: link-local or multicast prefix"]++
		return
	}
	var s said
	if i := e.prefixes.find(p.Prefix, from); i >= 0 {
		s = e.prefixes.entries[i].said // a property that is not mentioned keeps its end
	}
	s.ends[valid] = e.end(p.Valid)
	if p.OnLink {
		s.ends[onLink] = e.end(p.Valid)
	}
	switch {
	case p.Autonomous && p.Preferred > p.Valid:
		e.dropped["option: preferred above valid lifetime"]++
	case p.Autonomous:
		s.ends[usable], s.ends[preferred] = e.end(p.Valid), e.end(p.Preferred)
	}
	news, room := e.prefixes.put(e.now, p.Prefix, from, s)
	e.news = e.news || news
	if !room {
		e.drop(slog.LevelWarn, "too many prefixes", from, from)
	}
}

// takeLists takes in routes, DNS and NAT64 prefixes.
func (e *Engine) takeLists(from netip.Addr, a *ra.Advertisement) {
	for _, r := range atMost(e, a.Routes, MaxRoutes) {
		note(e, &e.routes, "too many routes", r.Prefix, from, r.Lifetime, r.Preference)
	}
	var servers []lasting[netip.Addr]
	for _, r := range a.RDNSS {
		servers = flatten(servers, r.Servers, r.Lifetime)
	}
	for _, s := range slices.Backward(atMost(e, servers, MaxServers)) { // newcomers go in front, in the packet's order
		note(e, &e.dns, "too many DNS servers", s.key, from, s.lifetime, ra.Medium)
	}
	var domains []lasting[string]
	for _, d := range a.DNSSL {
		domains = flatten(domains, d.Domains, d.Lifetime)
	}
	for _, d := range slices.Backward(atMost(e, domains, MaxDomains)) {
		note(e, &e.search, "too many search domains", d.key, from, d.lifetime, ra.Medium)
	}
	for _, p := range atMost(e, a.PREF64, MaxPREF64) {
		note(e, &e.pref64, "too many NAT64 prefixes", p.Prefix, from, p.Lifetime, ra.Medium)
	}
}

// lasting is one of the things that an option holds, with the option's lifetime.
type lasting[K comparable] struct {
	key      K
	lifetime time.Duration
}

func flatten[K comparable](list []lasting[K], keys []K, lifetime time.Duration) []lasting[K] {
	for _, k := range keys {
		list = append(list, lasting[K]{k, lifetime})
	}
	return list
}

// atMost cuts what one packet says to what could ever be kept, so that none costs more than others.
func atMost[T any](e *Engine, list []T, most int) []T {
	if len(list) > most {
		e.dropped["option: beyond what is kept"] += uint64(len(list) - most)
		return list[:most]
	}
	return list
}

// note puts what a router says into a table.
func note[K comparable](e *Engine, t *table[K], full string, key K, from netip.Addr, lifetime time.Duration, p ra.Preference) {
	news, room := t.put(e.now, key, from, said{ends: [4]clock.Instant{e.end(lifetime)}, preference: p})
	e.news = e.news || news
	if !room {
		e.drop(slog.LevelWarn, full, from, from)
	}
}

// end is the end of a lifetime that begins now.
func (e *Engine) end(lifetime time.Duration) clock.Instant {
	if lifetime >= ra.Infinite {
		return clock.Never
	}
	return e.now.Add(lifetime)
}
