package responder

import (
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/wire"
)

// Parameters are what clients are told beside addresses, if they ask for it.
type Parameters struct {
	DNS    []netip.Addr
	Search []string
	// NTP are time servers, NTPOthers those that are named, or speak to a group (option 56).
	NTP       []netip.Addr
	NTPOthers []wire.Option
	// Raw are options by their codes.
	Raw []wire.Option
}

// size is how many bytes they take in an answer to a client that asks for all of them.
func (o *Parameters) size() int {
	n := 16*len(o.DNS) + (24+16)*len(o.NTP) // in options 56 and 31
	for _, name := range o.Search {
		n += len(name) + 2
	}
	for _, list := range [][]wire.Option{o.NTPOthers, o.Raw} {
		for _, opt := range list {
			n += 4 + len(opt.Data)
		}
	}
	return n
}

// A Class is what clients of a network get whose hosts line sets a tag: it gives options, or takes away those
// that all others get.
type Class struct {
	Tag string
	// where is the file and line of its section.
	where string
	// Of Parameters counts what is named here; Codes are those of the raw ones, be they in it or taken away.
	DNS, Search, NTP, Refresh bool
	Codes                     []dhcpv6.OptionCode
	Parameters                Parameters
	// Preferred and Valid are the network's where they are 0.
	Preferred, Valid, InformationRefresh time.Duration
}

// over is what the class makes of options.
func (c *Class) over(o Parameters) Parameters {
	if c.DNS {
		o.DNS = c.Parameters.DNS
	}
	if c.Search {
		o.Search = c.Parameters.Search
	}
	if c.NTP {
		o.NTP, o.NTPOthers = c.Parameters.NTP, c.Parameters.NTPOthers
	}
	if len(c.Codes) > 0 {
		o.Raw = slices.DeleteFunc(slices.Clone(o.Raw), func(r wire.Option) bool { return slices.Contains(c.Codes, r.Code) })
		o.Raw = append(o.Raw, c.Parameters.Raw...)
	}
	return o
}

// classes are those of the client's tags, the strongest last.
func (x *exchange) classes(yield func(*Class) bool) {
	if x.host == nil || len(x.host.Tags()) == 0 {
		return
	}
	for i := range x.network.Classes {
		if c := &x.network.Classes[i]; x.host.Tagged(c.Tag) && !yield(c) {
			return
		}
	}
}

// options are those for the client. A NIC tagged nondefault6 gets none that its machine could confuse with those
// of its default NIC, unless a class of that tag says so.
func (x *exchange) options() Parameters {
	o := x.network.Parameters
	if x.host != nil && x.host.Tagged(TagNonDefault) {
		o = Parameters{}
	}
	for c := range x.classes {
		o = c.over(o)
	}
	return o
}

// lifetimes are the client's, as far as its hosts line says nothing of them.
func (x *exchange) lifetimes() (preferred, valid time.Duration) {
	preferred, valid = x.network.Preferred, x.network.Valid
	for c := range x.classes {
		if c.Preferred != 0 {
			preferred = c.Preferred
		}
		if c.Valid != 0 {
			valid = c.Valid
		}
	}
	return min(preferred, valid), valid
}

// refresh is when a client that only asks for information asks again, 0 where nothing is said of it.
func (x *exchange) refresh() time.Duration {
	d := x.network.InformationRefresh
	for c := range x.classes {
		if c.Refresh {
			d = c.InformationRefresh
		}
	}
	return d
}

// serves reports whether guests are told of a server at that address.
func (n *Network) serves(a netip.Addr) bool {
	if n.has(a) {
		return true
	}
	for i := range n.Classes {
		if n.Classes[i].Parameters.has(a) {
			return true
		}
	}
	return false
}

func (o *Parameters) has(a netip.Addr) bool {
	return slices.Contains(o.DNS, a) || slices.Contains(o.NTP, a)
}
