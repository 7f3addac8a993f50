package distro

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Processes lists the processes that run, from a mounted procfs. Those that end meanwhile are left out.
func Processes(procfs fs.FS) ([]Process, error) {
	entries, err := fs.ReadDir(procfs, ".")
	if err != nil {
		return nil, err
	}
	var out []Process
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		b, err := fs.ReadFile(procfs, path.Join(e.Name(), "cmdline"))
		if err != nil || len(b) == 0 { // it ended, or is the kernel's
			continue
		}
		// dhcpcd and others write a title over their arguments: words in one string.
		args := strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
		if len(args) == 1 {
			args = strings.Fields(args[0])
		}
		if len(args) == 0 {
			continue
		}
		name := strings.TrimSuffix(path.Base(args[0]), ":")
		out = append(out, Process{Name: name, Args: args[1:]})
	}
	return out, nil
}

// running reports whether a program runs.
func (f Facts) running(name string) bool {
	for _, p := range f.Processes {
		if p.Name == name {
			return true
		}
	}
	return false
}
