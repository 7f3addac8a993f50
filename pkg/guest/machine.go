package guest

import (
	"context"
	"errors"
	"net/netip"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/holder"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/sysctl"
)

// A machine is the real System: the kernel of this network namespace.
type machine struct {
	*link.Kernel
	sysctl.Tree
}

var _ System = machine{}

// OpenSystem opens the machine that this process runs on, in the network namespace that it is in.
func OpenSystem() (System, error) {
	k, err := link.Open(link.Config{})
	if err != nil {
		return nil, err
	}
	return machine{Kernel: k}, nil
}

// DHCP opens the client's port on the NIC.
func (machine) DHCP(ctx context.Context, nic link.NIC, beside bool) (client.Conn, error) {
	if beside {
		return client.ListenBeside(ctx, nic.Name, nic.Index)
	}
	return client.Listen(ctx, nic.Name, nic.Index)
}

// PortFreed tells when somebody closes the client's port.
func (machine) PortFreed(ctx context.Context) (<-chan struct{}, error) {
	return holder.Freed(ctx, client.Port)
}

// Routers opens a listener to Router Advertisements.
func (machine) Routers(nic link.NIC, c clock.Clock, host listener.Host, accept func(netip.Addr) bool, trace func(ra.TracedPacket)) (Hearer, error) {
	engine, err := listener.New(listener.Config{Rand: client.NewRand(), MAC: nic.MAC, MTU: uint32(nic.MTU), Accept: accept})
	if err != nil {
		return nil, err
	}
	conn, err := ra.Open(nic.Name, nic.Index, ra.Guest)
	if err != nil {
		return nil, err
	}
	r, err := listener.NewRunner(listener.RunnerConfig{Engine: engine, Conn: conn, Clock: c, Host: host, Trace: trace})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return r, nil
}
