package link

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// AddressOptions says how InstallAddress installs. The zero value is the usual way.
type AddressOptions struct {
	// Optimistic asks for an address that is used while duplicate address detection runs (RFC 4429).
	// The kernel obeys only where the NIC's switch optimistic_dad is on, and tells of the address
	// before the end of that only where use_optimistic is on too.
	Optimistic bool
	// NoDAD installs without duplicate address detection: for addresses that nobody else can have.
	NoDAD bool
}

// InstallAddress puts an address on a NIC, or renews it there: as /128 that makes no prefix route,
// with the lifetimes given (wire.Infinite for ever; preferred 0 installs it deprecated). A link-local
// address is installed as the /64 that it always is, with its prefix route.
//
// An address that is there already is renewed in place: it is never away, and duplicate address
// detection does not run again. So it is with one that has another prefix length, such as the /64
// that the kernel made from a Router Advertisement: it keeps that length (the kernel cannot change
// it), gets our lifetimes and flags, and is no Autoconf address any more. What differs:
//   - an address that failed duplicate address detection is removed and installed anew;
//   - a permanent one with a prefix route of its own was configured by somebody: it stays as it is,
//     since our lifetimes would end it and take its prefix route away.
//
// The outcome of duplicate address detection comes as an event of Watch. Errors: ErrNoNIC, ErrIPv6Off,
// os.ErrPermission, and one for lifetimes where preferred is longer than valid or valid is 0.
func (k *Kernel) InstallAddress(ctx context.Context, index int, addr netip.Addr, preferred, valid time.Duration, opts AddressOptions) error {
	if err := checkInstall(addr, preferred, valid, opts); err != nil {
		return err
	}
	a := newAddr{index: index, addr: addr, preferred: preferred, valid: valid, bits: 128, flags: unix.IFA_F_NOPREFIXROUTE}
	if addr.IsLinkLocalUnicast() {
		a.bits, a.flags = 64, 0
	}
	err := k.create(ctx, a, opts)
	if errors.Is(err, unix.EEXIST) {
		err = k.renew(ctx, a, opts)
	}
	return kernelError(err, "install address %s on network interface %d", addr, index)
}

func checkInstall(addr netip.Addr, preferred, valid time.Duration, opts AddressOptions) error {
	switch {
	case !addr.Is6() || addr.Is4In6() || addr.Zone() != "":
		return fmt.Errorf("install address %s: not an IPv6 address", addr)
	case addr.IsUnspecified() || addr.IsMulticast() || addr.IsLoopback():
		return fmt.Errorf("install address %s: not an address of a node", addr)
	case valid <= 0:
		return fmt.Errorf("install address %s: valid lifetime %v is over", addr, valid)
	case preferred < 0 || preferred > valid:
		return fmt.Errorf("install address %s: preferred lifetime %v is not in 0 to the valid one, %v", addr, preferred, valid)
	case opts.Optimistic && opts.NoDAD:
		return fmt.Errorf("install address %s: optimistic and without duplicate address detection exclude each other", addr)
	}
	return nil
}

func (k *Kernel) create(ctx context.Context, a newAddr, opts AddressOptions) error {
	if opts.Optimistic {
		a.flags |= unix.IFA_F_OPTIMISTIC
	}
	if opts.NoDAD {
		a.flags |= unix.IFA_F_NODAD
	}
	return k.change(ctx, unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, a.header(), a.local(), a.flagSet(), a.lifetimes())
}

// renew replaces in place. The kernel replaces the whole flag set, but never starts duplicate address
// detection: so the flags of that must not be given, an optimistic address would stay so for ever.
func (k *Kernel) renew(ctx context.Context, a newAddr, opts AddressOptions) error {
	old, found, err := k.find(ctx, a.index, a.addr)
	switch {
	case err != nil:
		return err
	case !found: // it went between the two requests
		return k.create(ctx, a, opts)
	case old.DADFailed:
		if err := k.remove(ctx, old); err != nil {
			return err
		}
		return k.create(ctx, a, opts)
	case old.Permanent && !old.NoPrefix && old.Bits != 128 && a.bits == 128:
		return nil
	}
	a.bits = old.Bits
	return k.change(ctx, unix.RTM_NEWADDR, unix.NLM_F_REPLACE, a.header(), a.local(), a.flagSet(), a.lifetimes())
}

// RemoveAddress takes an address off a NIC, whatever its prefix length. That it is gone already, or
// the whole NIC, is success.
func (k *Kernel) RemoveAddress(ctx context.Context, index int, addr netip.Addr) error {
	old, found, err := k.find(ctx, index, addr)
	if err == nil && found {
		err = k.remove(ctx, old)
	}
	if errors.Is(err, ErrNoNIC) {
		return nil
	}
	return kernelError(err, "remove address %s from network interface %d", addr, index)
}

// remove deletes an address as it was listed: the kernel compares the prefix length.
func (k *Kernel) remove(ctx context.Context, a Addr) error {
	old := newAddr{index: a.Index, addr: a.Addr, bits: a.Bits}
	err := k.change(ctx, unix.RTM_DELADDR, 0, old.header(), old.local())
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
		return nil
	}
	return err
}

func (k *Kernel) find(ctx context.Context, index int, addr netip.Addr) (a Addr, found bool, err error) {
	addrs, err := k.Addrs(ctx, index)
	if err != nil {
		return Addr{}, false, err
	}
	for _, a := range addrs {
		if a.Addr == addr {
			return a, true, nil
		}
	}
	return Addr{}, false, nil
}

// A newAddr is an address as it is written in a request.
type newAddr struct {
	index, bits      int
	addr             netip.Addr
	preferred, valid time.Duration
	flags            uint32
}

func (a newAddr) header() *nl.IfAddrmsg {
	m := nl.NewIfAddrmsg(unix.AF_INET6)
	m.Index, m.Prefixlen = uint32(a.index), uint8(a.bits)
	return m
}

func (a newAddr) local() *nl.RtAttr { return nl.NewRtAttr(unix.IFA_LOCAL, a.addr.AsSlice()) }

func (a newAddr) flagSet() *nl.RtAttr { return nl.NewRtAttr(unix.IFA_FLAGS, nl.Uint32Attr(a.flags)) }

// lifetimes is a struct ifa_cacheinfo. It is always written: without it a lifetime is infinite.
func (a newAddr) lifetimes() *nl.RtAttr {
	b := make([]byte, unix.SizeofIfaCacheinfo)
	binary.NativeEndian.PutUint32(b, seconds(a.preferred))
	binary.NativeEndian.PutUint32(b[4:], seconds(a.valid))
	return nl.NewRtAttr(unix.IFA_CACHEINFO, b)
}
