package resolver

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// watched are the folders in which it shows that another Target may have to be chosen, with the name that
// counts there and the events.
var watched = []struct {
	folder, name string
	events       uint32
}{
	{"/etc", "resolv.conf", unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_CLOSE_WRITE | unix.IN_DELETE},
	{"/run/systemd/resolve", "io.systemd.Resolve", unix.IN_CREATE | unix.IN_DELETE},
}

// Watch calls changed when another Target may have to be chosen, until ctx ends, which is no error.
func Watch(ctx context.Context, changed func()) error {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return fmt.Errorf("watch the resolver's files: %w", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	stop := context.AfterFunc(ctx, func() { _ = f.Close() })
	defer func() {
		if stop() {
			_ = f.Close()
		}
	}()
	names := map[int32]string{}
	for _, w := range watched {
		wd, err := unix.InotifyAddWatch(fd, w.folder, w.events|unix.IN_ONLYDIR)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("watch %s: %w", w.folder, err)
		}
		names[int32(wd)] = w.name
	}
	buf := make([]byte, 16<<10)
	for {
		n, err := f.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("watch the resolver's files: %w", err)
		}
		if mentions(buf[:n], names) {
			changed()
		}
	}
}

// mentions says whether one of the events is about a name that counts in its folder, or events were lost.
func mentions(b []byte, names map[int32]string) bool {
	for len(b) >= unix.SizeofInotifyEvent {
		wd, mask := int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[4:])
		size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		if size > len(b) {
			return false
		}
		name, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:size], []byte{0})
		if mask&unix.IN_Q_OVERFLOW != 0 || len(name) > 0 && names[wd] == string(name) {
			return true
		}
		b = b[size:]
	}
	return false
}
