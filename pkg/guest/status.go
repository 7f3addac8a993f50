package guest

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A Lifetime is what is left of a lease, or how long it was granted for. In JSON it is a number of
// seconds, or the word "infinite".
type Lifetime time.Duration

// Infinite reports whether it never ends.
func (l Lifetime) Infinite() bool { return time.Duration(l) >= wire.Infinite }

// MarshalJSON writes whole seconds, rounded down, or "infinite".
func (l Lifetime) MarshalJSON() ([]byte, error) {
	if l.Infinite() {
		return []byte(`"infinite"`), nil
	}
	return fmt.Appendf(nil, "%d", time.Duration(l)/time.Second), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (l *Lifetime) UnmarshalJSON(b []byte) error {
	if string(b) == `"infinite"` {
		*l = Lifetime(wire.Infinite)
		return nil
	}
	var n int64
	if err := json.Unmarshal(b, &n); err != nil {
		return fmt.Errorf("lifetime: %w", err)
	}
	*l = Lifetime(time.Duration(n) * time.Second)
	return nil
}

// String is the duration in Go's notation, or "infinite".
func (l Lifetime) String() string {
	if l.Infinite() {
		return "infinite"
	}
	return time.Duration(l).Truncate(time.Second).String()
}

// Seconds is a duration that JSON carries as a number of seconds with its fraction.
type Seconds time.Duration

// MarshalJSON writes the seconds to the millisecond.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.3f", time.Duration(s).Seconds()), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return fmt.Errorf("seconds: %w", err)
	}
	*s = Seconds(f * float64(time.Second))
	return nil
}

// String is the duration to the millisecond.
func (s Seconds) String() string { return time.Duration(s).Round(time.Millisecond).String() }

// A Status is what the agent says of itself: what is, what is missing, and why it is so. Everything
// in it that came from a packet is bounded and valid UTF-8, but otherwise the sender's: escape it.
type Status struct {
	Version       string   `json:"version"`
	PID           int      `json:"pid"`
	Uptime        Seconds  `json:"uptime"`
	Summary       string   `json:"summary"` // one line: what is and what is missing
	Online        bool     `json:"online"`  // the default NIC has a usable global address
	DefaultNIC    string   `json:"default_nic,omitempty"`
	DefaultReason string   `json:"default_reason"`
	Provisional   bool     `json:"provisional,omitempty"`
	Missing       []string `json:"missing,omitempty"` // NICs of the configuration that are not there
	Notes         []string `json:"notes,omitempty"`

	Resolver *ResolverStatus `json:"resolver,omitempty"` // to whom DNS servers were handed; nil where there are none
	NICs     []NICStatus     `json:"nics"`
}

// A NICStatus is the state of one NIC.
type NICStatus struct {
	Name     string            `json:"name"`
	Index    int               `json:"index"`
	MAC      string            `json:"mac,omitempty"`
	Managed  bool              `json:"managed"`
	Role     Role              `json:"role,omitempty"`
	Reason   string            `json:"reason"`
	Lease    string            `json:"lease,omitempty"` // agent or distro
	DUID     string            `json:"duid,omitempty"`
	IAID     string            `json:"iaid,omitempty"` // eight hex digits, in the order of the bytes on the wire
	Up       bool              `json:"up"`
	Carrier  bool              `json:"carrier"`
	State    string            `json:"state"`             // "bound", "soliciting", "waiting" …
	Problem  string            `json:"problem,omitempty"` // what stands in the way
	Cure     string            `json:"cure,omitempty"`    // what a person can do about it
	Binding  *Binding          `json:"binding,omitempty"`
	Switches map[string]string `json:"switches,omitempty"` // the kernel switches as read back

	Addresses     []AddressStatus `json:"addresses,omitempty"` // global ones, as the kernel has them
	Routers       []RouterStatus  `json:"routers,omitempty"`   // heard on this NIC
	OnLink        []netip.Prefix  `json:"on_link,omitempty"`   // routes that v6guest installed
	Refused       []Refusal       `json:"refused,omitempty"`   // advertised prefixes that another NIC has the better right to
	DefaultRoutes []netip.Addr    `json:"default_routes,omitempty"`
	Source        *SourceStatus   `json:"source_routing,omitempty"` // nil on the default NIC
	DNS           []netip.Addr    `json:"dns,omitempty"`            // what server and routers say
	Search        []string        `json:"search,omitempty"`         // likewise
	NTP           []netip.Addr    `json:"ntp,omitempty"`            // what the server says; v6guest sets no clock

	Removed  int    `json:"routes_removed,omitempty"` // default routes removed from a secondary NIC
	Sent     uint64 `json:"sent"`                     // DHCPv6 messages, since the NIC is managed
	Received uint64 `json:"received"`
}

// A Binding is what the server granted, as it stands now.
type Binding struct {
	Address   netip.Addr `json:"address"`
	Preferred Lifetime   `json:"preferred"` // left
	Valid     Lifetime   `json:"valid"`     // left
	Renew     Lifetime   `json:"renew"`     // until T1
	Rebind    Lifetime   `json:"rebind"`    // until T2
	Server    string     `json:"server"`    // DUID
	From      netip.Addr `json:"from,omitzero"`
}

// An AddressStatus is a global address on the NIC.
type AddressStatus struct {
	Prefix netip.Prefix `json:"prefix"`
	Leased bool         `json:"leased"` // v6guest installed it
	// Autoconfigured says that v6guest made it of an advertised prefix and the MAC.
	Autoconfigured bool     `json:"autoconfigured,omitempty"`
	State          string   `json:"state"` // usable, tentative, optimistic, duplicate, deprecated
	Valid          Lifetime `json:"valid"` // left
}

// A RouterStatus is a router whose advertisements are heard.
type RouterStatus struct {
	Addr     netip.Addr     `json:"address"`
	Lifetime Lifetime       `json:"lifetime"` // of the default route it offers, left
	Managed  bool           `json:"managed"`  // M flag
	Other    bool           `json:"other"`    // O flag
	Prefixes []netip.Prefix `json:"prefixes,omitempty"`
}

// A LeaseResult is how a one-shot lease or release ended on one NIC.
type LeaseResult struct {
	NIC       string       `json:"nic"`
	Address   netip.Addr   `json:"address,omitzero"`
	Preferred *Lifetime    `json:"preferred,omitempty"` // left; nil without an address
	Valid     *Lifetime    `json:"valid,omitempty"`     // likewise
	Server    string       `json:"server,omitempty"`    // DUID
	From      netip.Addr   `json:"from,omitzero"`       // the server's address
	Took      Seconds      `json:"took"`
	Was       netip.Addr   `json:"was,omitzero"` // the address that it replaces, if another
	Fault     *FaultReport `json:"fault,omitempty"`
	Warning   string       `json:"warning,omitempty"` // what is in the way of using the address, and what to do
	Packets   []string     `json:"packets,omitempty"` // one line each, when the request asked for them
}

// A FaultReport is a Fault as the control socket carries it.
type FaultReport struct {
	Error string `json:"error"`
	Cure  string `json:"cure,omitempty"`
	Exit  int    `json:"exit"`
}

// Report makes a FaultReport of an error; nil stays nil.
func Report(err error) *FaultReport {
	if err == nil {
		return nil
	}
	return &FaultReport{Error: err.Error(), Cure: fault.Cure(err), Exit: fault.ExitCode(err)}
}

// Fault is the error that the report speaks of; nil for a nil report.
func (r *FaultReport) Fault() error {
	if r == nil {
		return nil
	}
	return &fault.Fault{Err: fmt.Errorf("%s", r.Error), Cure: r.Cure, Exit: r.Exit}
}

// Online is the answer to wait-online.
type Online struct {
	Online  bool       `json:"online"`
	Off     bool       `json:"off,omitempty"` // IPv6 is switched off: nothing to wait for
	NIC     string     `json:"nic,omitempty"`
	Address netip.Addr `json:"address,omitzero"`
	Reason  string     `json:"reason"`
	Exit    int        `json:"exit"`
}
