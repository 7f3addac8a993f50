package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/inotify"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/plainfile"
)

// AwaitsLook asks this system.
func (m machine) AwaitsLook(nic link.NIC) bool {
	return distro.HasNetworkManager(distro.NewTree(plainfile.Folder("/"))) && !m.Looked(nic.Index) && m.InCharge(nic).Stack == distro.NetworkManager
}

// Looked asks NetworkManager's own files: it writes that of a NIC at the end of its first look.
func (machine) Looked(index int) bool {
	return distro.NewTree(plainfile.Folder("/")).Exists(distro.NMDeviceFile(index))
}

// Looks watches the folder of those files, and until it is there those in which it will be.
func (machine) Looks(ctx context.Context, looked func()) error {
	ino, err := inotify.New()
	if err != nil {
		return fmt.Errorf("watch NetworkManager's files: %w", err)
	}
	defer func() { _ = ino.Close() }() // nothing is lost with it
	folder := path.Dir(distro.NMDeviceFile(0))
	names := map[int]string{} // that count in each watched folder; "" for any
	add := func() error {
		for _, f := range []struct{ folder, name string }{
			{path.Dir(path.Dir(folder)), path.Base(path.Dir(folder))}, {path.Dir(folder), path.Base(folder)}, {folder, ""},
		} {
			watch, err := ino.Add(f.folder, unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_ONLYDIR)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			names[watch] = f.name
		}
		return nil
	}
	counts := func(ev inotify.Event) bool { // or what is lost may have counted
		name, known := names[ev.Watch]
		return ev.Mask&unix.IN_Q_OVERFLOW != 0 || known && (name == "" || name == ev.Name)
	}
	for {
		if err := add(); err != nil {
			return err
		}
		looked()
		for counted := false; !counted; {
			select {
			case <-ctx.Done():
				return nil
			case events, ok := <-ino.C:
				if !ok {
					return fmt.Errorf("watch NetworkManager's files: %w", ino.Err())
				}
				counted = slices.ContainsFunc(events, counts)
			}
		}
	}
}
