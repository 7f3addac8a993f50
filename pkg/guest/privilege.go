package guest

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/fault"
)

// needed are the capabilities without which the agent can do none of its work: addresses, routes and
// switches; UDP port 546; Router Solicitations.
var needed = [...]struct {
	bit  uint
	name string
}{
	{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"},
	{unix.CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"},
	{unix.CAP_NET_RAW, "CAP_NET_RAW"},
}

// CheckPrivilege reports, as a Fault with fault.ExitNotPermitted, which capabilities this process lacks
// to be an agent. Without it every step would be refused one by one, and an agent would stay that can do
// nothing.
func CheckPrivilege() error {
	var caps [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &caps[0]); err != nil {
		return fmt.Errorf("read this process's capabilities: %w", err)
	}
	return lacking(uint64(caps[1].Effective)<<32 | uint64(caps[0].Effective))
}

// lacking is the Fault of a process with these effective capabilities, nil where they suffice.
func lacking(effective uint64) error {
	var names []string
	for _, c := range needed {
		if effective>>c.bit&1 == 0 {
			names = append(names, c.name)
		}
	}
	if names == nil {
		return nil
	}
	return fault.New(fault.ExitNotPermitted, "run it as root (systemctl start v6guest)", "the agent lacks %s", strings.Join(names, ", "))
}
