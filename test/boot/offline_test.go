package boot

import (
	"context"
	"path/filepath"
	"testing"
	"time"
)

// offlineCases are images that are prepared without booting them. Not among them: an id of netplan's for several NICs, of which a copy can only be made
// when its generator has run (`configure` says so).
var offlineCases = []guestCase{caseOf("debian13-networkd"), caseOf("debian12-ifupdown-dhclient-leases"), caseOf("debian13-netplan-leases")}

// TestAnImageIsPreparedOffline: the files are changed from outside before the first boot, which finds nothing to do; `restore` in the guest has the
// originals, which were kept in the image.
func TestAnImageIsPreparedOffline(t *testing.T) {
	needLong(t)
	t.Parallel()
	for _, tt := range offlineCases {
		t.Run(tt.name, func(t *testing.T) {
			root := need(t, tt.spec)
			ctx := within(t, 20*time.Minute)
			c := networks(ctx, t, tt.way)
			prepare := func(tree string) error {
				if err := withPackage(ctx, enabled)(tree); err != nil {
					return err
				}
				return configureOffline(ctx, tree, tt.files, guestNICs(c))
			}
			g := start(ctx, t, c, root, diskOf(ctx, t, root, prepare))
			g.has("every file is as it should be", "journalctl", "-b", "--no-pager", "-o", "cat", "-u", "v6guest-configure.service")
			g.wasConfigured(tt)
			g.asReserved(tt)
			g.ipv4Stayed(tt)
			g.asBefore(tt.files)
		})
	}
}

// configureOffline puts the image's own files into its tree and has v6guest, outside, configure it.
func configureOffline(ctx context.Context, tree string, files []file, nics []nic) error {
	for _, f := range files {
		if err := f.put(tree); err != nil {
			return err
		}
	}
	argv := []string{filepath.Join(binDir, "v6guest"), "configure", "--root", tree}
	for _, n := range nics {
		argv = append(argv, "--nic", n.net.NIC+"="+n.mac.String())
	}
	return run(ctx, argv...)
}

// TestFilesAloneLease: an image whose kernel cannot run the program is given the files from outside, and the distribution's own client leases. What is
// missing then is the way to the second network's neighbours: nobody hears its router any more.
func TestFilesAloneLease(t *testing.T) {
	needLong(t)
	tt := caseOf("debian12-ifupdown-dhclient-leases")
	root := need(t, tt.spec)
	ctx := within(t, 20*time.Minute)
	c := networks(ctx, t, tt.way)
	g := start(ctx, t, c, root, diskOf(ctx, t, root, func(tree string) error {
		return configureOffline(ctx, tree, tt.files, guestNICs(c))
	}))
	g.has("No such file", "ls", "/usr/sbin/v6guest")
	for _, n := range c.Nets {
		g.await("reserved address on "+n.NIC, "ip -6 addr show dev "+n.NIC+" scope global -tentative | grep -qF "+n.Reserved.Addr.String()+"/128")
	}
	g.reaches(c.Nets[0].Neighbor6.String())
	g.await("the one default route", "test $(ip -6 route show default | grep -c default) = 1 && ip -6 route show default | grep -q 'dev eth0 '")
	g.reaches("2001:db8:ffff::1")
	g.has("0 loaded units listed", "systemctl", "--failed", "--no-pager")
	g.ipv4Stayed(tt)
}
