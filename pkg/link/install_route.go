package link

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// InstallRoute installs an IPv6 route through one next hop, with r's Index, Dst, Gateway, Metric,
// Protocol (0 is ProtoDHCP), Table, Preference, Source and Expires. Routes of others to the same
// destination are never replaced. Where the kernel has a route through the same NIC and gateway with
// the same metric, whoever made it, that one is kept, and its expiry becomes r's; only one that never
// expires goes on without expiry. Two of ours through routers with the same metric become a multipath
// route, as the kernel does it.
//
// Errors: ErrNoNIC, ErrIPv6Off, os.ErrPermission; a NIC that is down gives unix.ENETDOWN.
func (k *Kernel) InstallRoute(ctx context.Context, r Route) error {
	r = r.normal()
	if r.Protocol == 0 {
		r.Protocol = ProtoDHCP
	}
	if err := r.check(); err != nil {
		return fmt.Errorf("install %s: %w", r, err)
	}
	data := append(r.request(), nl.NewRtAttr(unix.RTA_PREF, []byte{byte(r.Preference)}))
	if r.Source.IsValid() {
		data = append(data, nl.NewRtAttr(unix.RTA_PREFSRC, r.Source.AsSlice()))
	}
	if r.Expires > 0 {
		data = append(data, nl.NewRtAttr(unix.RTA_EXPIRES, nl.Uint32Attr(seconds(r.Expires))))
	}
	// Neither NLM_F_EXCL nor NLM_F_REPLACE: both look at the metric alone and would meet a route
	// through another NIC. So a route like ours gives EEXIST, after its expiry was renewed.
	err := k.change(ctx, unix.RTM_NEWROUTE, unix.NLM_F_CREATE, data...)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return kernelError(err, "install %s", r)
}

// RemoveRoute removes an IPv6 route as Routes listed it or InstallRoute was given it: of a multipath
// route only the one way, of one made of a nexthop object all of it. That it is gone already, or the
// whole NIC, is success.
//
// A kernel that is asked for a route with a gateway or a NIC takes any route of the same destination,
// table, metric and protocol that is made of a nexthop object for it, if it meets that first. Where
// there is one, the error is ErrAmbiguousRoute and nothing is removed.
func (k *Kernel) RemoveRoute(ctx context.Context, r Route) error {
	metric := r.Metric
	r = r.normal()
	r.Metric = metric
	if err := r.check(); err != nil {
		return fmt.Errorf("remove %s: %w", r, err)
	}
	data := r.request()
	if r.NextHopID != 0 {
		data = r.routeOfObject()
	} else if err := k.distinct(ctx, r); err != nil {
		return fmt.Errorf("remove %s: %w", r, err)
	}
	err := k.change(ctx, unix.RTM_DELROUTE, 0, data...)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return kernelError(err, "remove %s", r)
}

// distinct reports ErrAmbiguousRoute if a route made of a nexthop object stands beside r.
func (k *Kernel) distinct(ctx context.Context, r Route) error {
	twins, err := k.routes(ctx, unix.AF_INET6, func(o Route) bool {
		return o.NextHopID != 0 && o.Dst == r.Dst && o.Table == r.Table &&
			(r.Metric == 0 || o.Metric == r.Metric) && (r.Protocol == 0 || o.Protocol == r.Protocol)
	})
	if err == nil && len(twins) > 0 {
		return fmt.Errorf("%w: object %d", ErrAmbiguousRoute, twins[0].NextHopID)
	}
	return err
}

func (r Route) normal() Route {
	if r.Table == 0 {
		r.Table = TableMain
	}
	if r.Metric == 0 {
		r.Metric = DefaultMetric
	}
	return r
}

func (r Route) check() error {
	switch {
	case !r.Dst.IsValid() || !r.Dst.Addr().Is6() || r.Dst.Addr().Is4In6():
		return errors.New("the destination is not an IPv6 prefix")
	case r.Dst != r.Dst.Masked():
		return errors.New("the destination has bits beyond its length")
	case r.Gateway.IsValid() && (!r.Gateway.Is6() || r.Gateway.Is4In6()):
		return errors.New("the gateway is not an IPv6 address")
	case r.Index <= 0:
		return ErrNoNIC
	}
	return nil
}

// String writes the route as ip(8) does, with the NIC's index.
func (r Route) String() string {
	dst := r.Dst.String()
	if r.Default() {
		dst = "default"
	}
	if r.Gateway.IsValid() {
		dst += " via " + r.Gateway.String()
	}
	return fmt.Sprintf("route %s through network interface %d (protocol %d, metric %d, table %d)", dst, r.Index, r.Protocol, r.Metric, r.Table)
}

// request is what identifies a route of one way to the kernel.
func (r Route) request() []nl.NetlinkRequestData {
	data := append(r.identity(), nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(r.Index))))
	if r.Gateway.IsValid() {
		data = append(data, nl.NewRtAttr(unix.RTA_GATEWAY, r.Gateway.WithZone("").AsSlice()))
	}
	return data
}

// routeOfObject is what identifies a route made of a nexthop object.
func (r Route) routeOfObject() []nl.NetlinkRequestData {
	return append(r.identity(), nl.NewRtAttr(rtaNextHopID, nl.Uint32Attr(r.NextHopID)))
}

func (r Route) identity() []nl.NetlinkRequestData {
	header := &nl.RtMsg{RtMsg: unix.RtMsg{
		Family: unix.AF_INET6, Dst_len: uint8(r.Dst.Bits()), Protocol: uint8(r.Protocol),
		Scope: unix.RT_SCOPE_UNIVERSE, Type: unix.RTN_UNICAST,
	}}
	data := []nl.NetlinkRequestData{header, nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(uint32(r.Table)))}
	if r.Dst.Addr() != netip.IPv6Unspecified() {
		data = append(data, nl.NewRtAttr(unix.RTA_DST, r.Dst.Addr().AsSlice()))
	}
	if r.Metric != 0 {
		data = append(data, nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(uint32(r.Metric))))
	}
	return data
}
