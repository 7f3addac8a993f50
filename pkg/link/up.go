package link

import (
	"context"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// SetUp sets a NIC up; one that is up stays so. Errors: ErrNoNIC, os.ErrPermission.
func (k *Kernel) SetUp(ctx context.Context, index int) error {
	m := nl.NewIfInfomsg(unix.AF_UNSPEC)
	m.Index, m.Flags, m.Change = int32(index), unix.IFF_UP, unix.IFF_UP
	return kernelError(k.change(ctx, unix.RTM_NEWLINK, 0, m), "set network interface %d up", index)
}
