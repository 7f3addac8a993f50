// Package holder finds out who has a UDP port that one wants oneself.
package holder

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Process has a socket open. The zero Process stands for one that is not known.
type Process struct {
	PID  int
	Name string // as the process calls itself, "" where that cannot be read: print it with %q, or by String
}

// String is "dnsmasq (pid 812)". A name that is not plain is quoted: the process chose it.
func (p Process) String() string {
	switch {
	case p.Name == "":
		return fmt.Sprintf("process %d", p.PID)
	case strings.ContainsFunc(p.Name, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Sprintf("%q (pid %d)", p.Name, p.PID)
	}
	return fmt.Sprintf("%s (pid %d)", p.Name, p.PID)
}

// UDP lists the processes that have an IPv6 UDP socket on a port in the network namespace of the calling
// thread, with the help of the proc file system that is mounted at proc; this
// process may be among them. Of other users' processes only root learns which sockets they have
// (CAP_SYS_PTRACE); where nothing can be told the list is empty.
func UDP(proc string, port uint16) []Process {
	sockets := socketsOn(filepath.Join(proc, "thread-self/net/udp6"), port)
	if len(sockets) == 0 {
		return nil
	}
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil
	}
	var out []Process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || !hasOpen(filepath.Join(proc, entry.Name(), "fd"), sockets) {
			continue
		}
		name, _ := os.ReadFile(filepath.Join(proc, entry.Name(), "comm")) // "" when the process has just gone
		out = append(out, Process{PID: pid, Name: strings.TrimSpace(string(name))})
	}
	return out
}

// socketsOn finds the sockets that a table such as /proc/net/udp6 shows on a local port, as the links of
// file descriptors name them.
func socketsOn(table string, port uint16) map[string]bool {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer f.Close()
	sockets := map[string]bool{}
	for s := bufio.NewScanner(f); s.Scan(); {
		// sl local_address rem_address st queues tr:when retrnsmt uid timeout inode …
		fields := strings.Fields(s.Text())
		if len(fields) > 9 && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
			sockets["socket:["+fields[9]+"]"] = true
		}
	}
	return sockets
}

// hasOpen reports whether a folder of file descriptors has one of the sockets in it.
func hasOpen(folder string, sockets map[string]bool) bool {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return false // not ours to look at, or gone
	}
	for _, entry := range entries {
		if target, err := os.Readlink(filepath.Join(folder, entry.Name())); err == nil && sockets[target] {
			return true
		}
	}
	return false
}
