package guest

import (
	"net"
	"net/netip"
	"path"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A LeaseMode says who is the DHCPv6 client on a NIC (decision 2).
type LeaseMode string

// The lease modes.
const (
	LeaseAgent  LeaseMode = "agent"  // v6guest leases
	LeaseDistro LeaseMode = "distro" // the distribution's own client leases; v6guest sets the switches and reports
)

// A SecondaryRA says which switch keeps a default route off a NIC that is not the default one (decision 4).
type SecondaryRA string

// The ways to keep a default route off a secondary NIC.
const (
	SecondaryOff            SecondaryRA = "off"              // accept_ra=0; v6guest installs the on-link route
	SecondaryNoDefaultRoute SecondaryRA = "no-default-route" // accept_ra_defrtr=0
)

// An RAMode says who processes Router Advertisements on the default NIC (decision 4).
type RAMode string

// The RA modes.
const (
	RAAuto   RAMode = "auto"   // what the stack in charge allows: it itself, else the agent where it must, else the kernel
	RAKernel RAMode = "kernel" // the kernel, with accept_ra=2
	RAStack  RAMode = "stack"  // the distribution's stack, in user space
	RAAgent  RAMode = "agent"  // v6guest's own listener installs the default route
)

// A StartMode says when the client begins to solicit (decision 6).
type StartMode string

// The start modes.
const (
	StartNow         StartMode = "now"           // at once, whatever routers say
	StartOnManagedRA StartMode = "on-managed-ra" // after a Router Advertisement with the M flag
)

// DUIDModes other than an explicit DUID.
const (
	DUIDNIC  = "nic"  // a DUID-LL made from the MAC of the NIC that speaks
	DUIDHost = "host" // one DUID-LL for every NIC, made from the MAC of the default NIC
)

// Settings are the keys that hold for one NIC: those of [agent], overridden by [nic NAME].
type Settings struct {
	Lease         LeaseMode
	DUID          string    // DUIDNIC, DUIDHost, or "" when ExplicitDUID is set
	ExplicitDUID  wire.DUID // "" unless [nic NAME] names one
	Start         StartMode
	NoStartDelay  bool // the first Solicit goes out without the random delay of RFC 9915, section 18.2.1
	RA            RAMode
	Routers       []netip.Addr // the only routers that count; none means any. They imply RAAgent
	Servers       []ServerPin  // the only DHCPv6 servers that count; none means any
	SLAAC         bool         // make addresses of advertised prefixes where no server leases any (decision 13)
	SecondaryRA   SecondaryRA
	KeepLinkLocal bool // speak from the stack's own link-local address, and add none (decision 5)
	OptimisticDAD bool // RFC 4429 on this NIC
	SourceRouting SourceRouting
	DNS           bool // hand DNS servers and search domains to the system
	ReleaseOnStop bool // an ordinary stop of the agent releases the lease
}

// A Pattern chooses NICs: a name, a glob of names ("en*"), or a MAC.
type Pattern struct {
	Name string           // name or glob; "" when MAC is set
	MAC  net.HardwareAddr // nil when Name is set
}

// ParsePattern reads a name, a glob or a MAC. A name that the kernel could not give a NIC is an error.
func ParsePattern(s string) (Pattern, error) {
	if mac, err := net.ParseMAC(s); err == nil && len(mac) == 6 {
		return Pattern{MAC: mac}, nil
	}
	if _, err := path.Match(s, ""); err != nil || !validName(s) {
		return Pattern{}, fault.New(fault.ExitUsage, "write a name (eth0), a glob (en*) or a MAC (06:a0:f0:00:00:38)",
			"%q is neither the name of a NIC nor a glob nor a MAC", s)
	}
	return Pattern{Name: s}, nil
}

// validName says whether the kernel would take s, or a name that the glob s matches, as a NIC's name.
func validName(s string) bool {
	glob := strings.ContainsAny(s, "*?[")
	if s == "" || s == "." || s == ".." || len(s) > 15 && !glob || len(s) > 64 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '/' || r == ':' || r >= 0x7f })
}

// Match says whether the pattern chooses a NIC of that name and MAC.
func (p Pattern) Match(name string, mac net.HardwareAddr) bool {
	if p.MAC != nil {
		return p.MAC.String() == mac.String()
	}
	ok, err := path.Match(p.Name, name)
	return ok && err == nil
}

// exact says whether the pattern names one NIC: no glob.
func (p Pattern) exact() bool { return p.MAC != nil || !strings.ContainsAny(p.Name, "*?[") }

// String writes the pattern as the configuration does.
func (p Pattern) String() string {
	if p.MAC != nil {
		return p.MAC.String()
	}
	return p.Name
}

// A Config is the whole configuration of the guest. DefaultConfig is what holds where nothing is written.
type Config struct {
	NICs       []Pattern     // empty means auto
	DefaultNIC *Pattern      // nil means auto
	Wait       time.Duration // how long the choice of the default NIC and wait-online may wait
	Settings   Settings      // of [agent]
	sections   []nicSection  // of [nic NAME], in the order of the files
}

// A nicSection holds what [nic NAME] sets; each value was checked when it was read.
type nicSection struct {
	match  Pattern
	values []nicValue
}

type nicValue struct {
	key   *Key
	value string
}

// For returns the settings of a NIC. The names are those that the NIC bears and bore while the agent
// knew it, the present one first: what was bound to its name goes with it when it is renamed.
func (c *Config) For(mac net.HardwareAddr, names ...string) Settings {
	s := c.Settings
	for _, name := range names {
		found := false
		for _, sec := range c.sections {
			if !sec.match.Match(name, mac) {
				continue
			}
			found = true
			for _, v := range sec.values {
				_ = v.key.setNIC(&s, v.value) // cannot fail: it was checked when it was read
			}
		}
		if found {
			break
		}
	}
	return s
}
