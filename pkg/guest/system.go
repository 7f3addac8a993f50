package guest

import (
	"context"
	"net/netip"
	"time"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/sysctl"
)

// A Kernel is what the agent needs of package link; *link.Kernel is one.
type Kernel interface {
	Watch(ctx context.Context) (*link.Watch, error)
	NICByIndex(ctx context.Context, index int) (link.NIC, error)
	Addrs(ctx context.Context, index int) ([]link.Addr, error)
	Routes(ctx context.Context, index int) ([]link.Route, error)
	InstallAddress(ctx context.Context, index int, addr netip.Addr, preferred, valid time.Duration, opts link.AddressOptions) error
	RemoveAddress(ctx context.Context, index int, addr netip.Addr) error
	InstallRoute(ctx context.Context, r link.Route) error
	RemoveRoute(ctx context.Context, r link.Route) error
	InstallRule(ctx context.Context, r link.Rule) error
	RemoveRule(ctx context.Context, r link.Rule) error
	TablesOfOthers(ctx context.Context) (map[int]bool, error)
	RemoveRADefaultRoutes(ctx context.Context, index int) ([]link.Route, error)
	SetUp(ctx context.Context, index int) error
}

// A Traveller tells when the machine may have moved.
type Traveller interface {
	// Moves tells until ctx ends.
	Moves(ctx context.Context) (Moves, error)
}

// Switches are the kernel's switches of a NIC below net.ipv6.conf; sysctl.Tree is one.
type Switches interface {
	Get(nic string, s sysctl.Switch) (string, error)
	Set(nic string, s sysctl.Setting) error
}

// A SwitchWatcher tells when somebody else sets the kernel's switches; sysctl.Tree is one.
type SwitchWatcher interface {
	Written(ctx context.Context) (*sysctl.Written, error)
}

// A Network opens the sockets of a NIC.
type Network interface {
	// DHCP opens the client's port on the NIC, for itself alone or beside one who has it for all NICs.
	DHCP(ctx context.Context, nic link.NIC, beside bool) (client.Conn, error)
	// PortFreed tells each time that somebody closes the client's port, on whichever NIC, until ctx ends,
	// which closes the channel. An error says that this kernel does not tell.
	PortFreed(ctx context.Context) (<-chan struct{}, error)
	// Routers opens the listener to Router Advertisements on the NIC; only what routers say that accept
	// accepts counts. The methods of host are called from the goroutine of the Hearer's Run; so are
	// accept and trace, which is nil when nobody wants to see packets.
	Routers(nic link.NIC, c clock.Clock, host listener.Host, accept func(netip.Addr) bool, trace func(ra.TracedPacket)) (Hearer, error)
}

// A Hearer listens to the Router Advertisements of one NIC; *listener.Runner is one.
type Hearer interface {
	// Run solicits and listens until ctx ends, which is no error.
	Run(ctx context.Context) error
	// Notify hands over LinkUp, LinkDown, SolicitNow or Addresses. It never waits.
	Notify(ev listener.Event)
}
