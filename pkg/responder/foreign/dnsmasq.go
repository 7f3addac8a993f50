package foreign

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/wire"
)

// Dnsmasq reads a leases file of dnsmasq. Its DHCPv6 part begins with the server's DUID; then a line a lease:
// when it ends, the IAID (with a T before that of a temporary address), the address, a name, the client's DUID.
func Dnsmasq(name string, text []byte) (c Content) {
	v6 := false
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		where := fmt.Sprintf("%s:%d", name, n)
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case f[0] == "duid":
			v6 = true
			if len(f) == 2 {
				c.Note(where, "the server's DUID is kept by duid = %.400q in [server]", f[1])
			}
		case !v6 && len(f) > 2 && strings.Contains(f[2], "."): // IPv4
		case len(f) != 5:
			c.Leave(where, "%.100q is no lease, which has five words (when it ends, IAID, address, name, DUID); correct it or take it out", strings.TrimSpace(line))
		case strings.HasPrefix(f[1], "T"):
			c.Leave(where, "%.60q is a temporary address (IA_TA), which nobody serves here; its client does without", f[2])
		default:
			l, err := dnsmasqLease(f)
			if err != nil {
				c.Leave(where, "%v; %s", err, cureLease)
				continue
			}
			l.Where = where
			c.Leases = append(c.Leases, l)
		}
	}
	return c
}

func dnsmasqLease(f []string) (l Lease, err error) {
	ends, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil || ends < 0 {
		return l, fmt.Errorf("%.40q is no time", f[0])
	}
	if ends > 0 {
		l.Ends = time.Unix(ends, 0)
	}
	iaid, err := strconv.ParseUint(f[1], 10, 32)
	if err != nil {
		return l, fmt.Errorf("%.40q is no IAID", f[1])
	}
	l.IAID = wire.IAID(iaid)
	return l, l.client(f[2], 128, f[4])
}

// client reads the address, or the prefix of so many bits, and the client's DUID.
func (l *Lease) client(addr string, bits int, duid string) error {
	a, err := netip.ParseAddr(addr)
	if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" {
		return fmt.Errorf("%.60q is no IPv6 address", addr)
	}
	if l.Prefix = netip.PrefixFrom(a, bits); l.Prefix != l.Prefix.Masked() {
		return fmt.Errorf("%s has bits set behind its length", l.Prefix)
	}
	if l.DUID, err = wire.ParseDUID(duid); err != nil {
		return fmt.Errorf("%s: DUID: %w", a, err)
	}
	if mac, ok := l.DUID.MAC(); ok && len(mac) == 6 && l.MAC == [6]byte{} {
		l.MAC = [6]byte(mac)
	}
	return nil
}
