package responder

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// holders names the processes that have a socket on the UDP port: "dnsmasq (pid 812)". The table is
// /proc/net/udp6 of the namespace in question. Of other users' processes only root learns which sockets
// they have; where nothing can be told the result is empty.
func holders(proc, table string, port int) []string {
	inodes := socketInodes(table, port)
	if len(inodes) == 0 {
		return nil
	}
	processes, err := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	if err != nil {
		return nil
	}
	var out []string
	for _, dir := range processes {
		if holdsSocket(dir, inodes) {
			out = append(out, describe(dir))
		}
	}
	return out
}

// socketInodes finds the sockets bound to the port in a table like /proc/net/udp6.
func socketInodes(table string, port int) map[string]bool {
	b, err := os.ReadFile(table)
	if err != nil {
		return nil
	}
	out := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 10 {
			continue
		}
		_, hex, ok := strings.Cut(f[1], ":")
		if p, err := strconv.ParseUint(hex, 16, 16); ok && err == nil && int(p) == port {
			out["socket:["+f[9]+"]"] = true
		}
	}
	return out
}

func holdsSocket(dir string, inodes map[string]bool) bool {
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return false
	}
	for _, fd := range fds {
		if link, err := os.Readlink(filepath.Join(dir, "fd", fd.Name())); err == nil && inodes[link] {
			return true
		}
	}
	return false
}

// describe is a process's command and id. The command is what the process says of itself: it is quoted
// where it is not plain.
func describe(dir string) string {
	pid := filepath.Base(dir)
	b, err := os.ReadFile(filepath.Join(dir, "comm"))
	name := strings.TrimSpace(string(b))
	if err != nil || name == "" {
		return "process " + pid
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		name = strconv.Quote(name)
	}
	return fmt.Sprintf("%s (pid %s)", name, pid)
}
