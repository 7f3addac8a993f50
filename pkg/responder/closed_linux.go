package responder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/inifile"
)

// ServiceUser is whom v6responder.service runs as.
const ServiceUser = "_v6responder"

// Closed says which files of the configuration a user cannot read, or which folder he cannot write to, with
// what would help. Only root can find that out.
func Closed(c *Config, configFile, stateDir, name string) ([]string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	var out []string
	err = as(u, func() {
		for _, f := range inifile.Read(configFile) {
			if errors.Is(f.Err, fs.ErrPermission) {
				out = append(out, closed(f.Name, name, "read"))
			}
		}
		if c.Hosts != "" {
			out = append(out, closedHosts(c.Hosts, name)...)
		}
		if err := unix.Faccessat(unix.AT_FDCWD, stateDir, unix.R_OK|unix.W_OK|unix.X_OK, unix.AT_EACCESS); errors.Is(err, unix.EACCES) {
			out = append(out, closed(stateDir, name, "write to"))
		}
	})
	return append(out, hidden(c.Hosts)...), err
}

// closedHosts tries the hosts file, or each file of the folder.
func closedHosts(path, name string) (out []string) {
	files := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		list, err := os.ReadDir(path)
		if errors.Is(err, fs.ErrPermission) {
			return []string{closed(path, name, "read")}
		}
		files = nil
		for _, e := range list {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	for _, f := range files {
		file, err := os.OpenFile(f, os.O_RDONLY|unix.O_NONBLOCK, 0)
		switch {
		case err == nil:
			_ = file.Close() // nothing was written
		case errors.Is(err, fs.ErrPermission):
			out = append(out, closed(f, name, "read"))
		}
	}
	return out
}

func closed(file, name, what string) string {
	return fmt.Sprintf("%s: user %s cannot %s it; see namei -l %s", file, name, what, file)
}

// hidden says of a path that the service does not see it, whatever its mode: ProtectHome=yes.
func hidden(path string) []string {
	for _, dir := range []string{"/home/", "/root/", "/run/user/"} {
		if strings.HasPrefix(path, dir) {
			return []string{fmt.Sprintf("%s: v6responder.service sees nothing in %s (ProtectHome=yes); put it into /etc/v6responder", path, dir)}
		}
	}
	return nil
}

// as runs f with a user's rights to files, on a thread that ends with it: only Linux's own calls change one
// thread alone.
func as(u *user.User, f func()) error {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	var groups []uint32
	ids, err := u.GroupIds()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			groups = append(groups, uint32(n))
		}
	}
	groups = slices.Concat(groups, []uint32{uint32(gid)})
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: nobody else gets this thread
		_, _, failed := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&groups[0])), 0)
		if failed != 0 {
			done <- fmt.Errorf("take the rights of user %s: %w", u.Username, failed)
			return
		}
		err := errors.Join(unix.Setfsgid(gid), unix.Setfsuid(uid))
		if err == nil {
			f()
		}
		done <- err
	}()
	return <-done
}
