package wire

import (
	"encoding/binary"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// options walks over the options of one container: a message, an IA, an IA Address (RFC 9915,
// section 21.1). It never looks beyond the bytes that it was given.
type options struct {
	rest []byte

	code dhcpv6.OptionCode // the current option, after next returned true
	data []byte

	// overrun says that the walk ended at an option that claims more bytes than the container has.
	overrun bool
}

// next steps to the next whole option and reports whether there is one.
func (o *options) next() bool {
	if len(o.rest) < 4 {
		return false
	}
	n := int(binary.BigEndian.Uint16(o.rest[2:]))
	o.code = dhcpv6.OptionCode(binary.BigEndian.Uint16(o.rest))
	if n > len(o.rest)-4 {
		o.overrun = true
		return false
	}
	o.data, o.rest = o.rest[4:4+n:4+n], o.rest[4+n:]
	return true
}

// flaw says what the walk left unread, "" if nothing: one to three stray bytes (Oracle's servers are
// known to send some) or an option that overruns its container.
func (o *options) flaw() string {
	switch {
	case o.overrun:
		return "runs past the end of what holds it"
	case len(o.rest) > 0:
		return "stray bytes at the end"
	}
	return ""
}

// tailCode is the code of the option that overran, 0 for stray bytes.
func (o *options) tailCode() dhcpv6.OptionCode {
	if o.overrun {
		return o.code
	}
	return 0
}

// count returns how many whole options of the given code b holds.
func count(b []byte, code dhcpv6.OptionCode) int {
	n := 0
	o := options{rest: b}
	for o.next() {
		if o.code == code {
			n++
		}
	}
	return n
}
