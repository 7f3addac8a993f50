package distro

import (
	"bytes"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// Processes lists the processes that run now, from a mounted procfs. Those that end meanwhile are left out.
func Processes(procfs fs.FS, now time.Time) ([]Process, error) {
	entries, err := fs.ReadDir(procfs, ".")
	if err != nil {
		return nil, err
	}
	booted := bootTime(procfs, now)
	var out []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
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
		out = append(out, Process{PID: pid, Name: name, Args: args[1:], Started: started(procfs, e.Name(), booted)})
	}
	return out, nil
}

// clockTicks is in how many parts of a second procfs counts, for every architecture that Go knows.
const clockTicks = 100

// bootTime is when the system was booted, by its clock as it is now; the zero Time when it does not say.
// (The btime of /proc/stat knows whole seconds only.)
func bootTime(procfs fs.FS, now time.Time) time.Time {
	b, _ := fs.ReadFile(procfs, "uptime")
	text, _, _ := strings.Cut(string(b), " ")
	up, err := time.ParseDuration(text + "s")
	if err != nil {
		return time.Time{}
	}
	return now.Add(-up)
}

// started is when a process began: its 22nd field, in ticks since the boot.
func started(procfs fs.FS, pid string, booted time.Time) time.Time {
	b, _ := fs.ReadFile(procfs, path.Join(pid, "stat"))
	_, rest, _ := strings.Cut(string(b[bytes.LastIndexByte(b, ')')+1:]), " ") // the name before may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 20 || booted.IsZero() {
		return time.Time{}
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return booted.Add(time.Duration(ticks) * (time.Second / clockTicks))
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
