package guest

import (
	"context"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/link"
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
func (machine) DHCP(ctx context.Context, nic link.NIC) (client.Conn, error) {
	return client.Listen(ctx, nic.Name, nic.Index)
}

// Routers listens.
func (machine) Routers(ctx context.Context, _ link.NIC, _ func(routers)) error {
	<-ctx.Done()
	return nil
}
