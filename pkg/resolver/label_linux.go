package resolver

import (
	"os"

	"golang.org/x/sys/unix"
)

const labelAttribute = "security.selinux"

// keepLabel gives f the SELinux label of the file that it takes the place of, where that has one.
func keepLabel(name string, f *os.File) error {
	var label [256]byte
	n, err := unix.Getxattr(name, labelAttribute, label[:])
	if err != nil || n == 0 {
		return nil //nolint:nilerr // no such file, or no labels here
	}
	return unix.Fsetxattr(int(f.Fd()), labelAttribute, label[:n], 0)
}
