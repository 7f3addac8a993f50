package client

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// A PortTakenError says that another program has the client's port. It is syscall.EADDRINUSE for
// errors.Is.
type PortTakenError struct {
	NIC    string
	Port   uint16
	Holder Holder // zero when it could not be found out, for which it takes CAP_SYS_PTRACE
}

// A Holder is a process that has a socket open.
type Holder struct {
	PID  int
	Name string // as the process calls itself: print it with %q
}

// Error names the port and its holder.
func (e *PortTakenError) Error() string {
	if e.Holder.PID == 0 {
		return fmt.Sprintf("%s, port %d: address already in use", e.NIC, e.Port)
	}
	return fmt.Sprintf("%s, port %d: address already in use by %q (pid %d)", e.NIC, e.Port, e.Holder.Name, e.Holder.PID)
}

// Unwrap makes it EADDRINUSE.
func (e *PortTakenError) Unwrap() error { return syscall.EADDRINUSE }

// Cure says what a person can do, in the imperative.
func (e *PortTakenError) Cure() string {
	if e.Holder.PID == 0 {
		return "stop the other DHCPv6 client, or set lease = distro for this NIC"
	}
	return fmt.Sprintf("stop the other DHCPv6 client (pid %d), or set lease = distro for this NIC", e.Holder.PID)
}

// findHolder finds the process that has a UDP socket on a port in this thread's network namespace,
// with the help of a proc file system. Sockets of this process do not count: they are those of other
// NICs.
func findHolder(proc string, port uint16) Holder {
	sockets := map[string]bool{}
	for _, inode := range socketsOn(filepath.Join(proc, "thread-self/net/udp6"), port) {
		sockets["socket:["+inode+"]"] = true
	}
	if len(sockets) == 0 {
		return Holder{}
	}
	entries, err := os.ReadDir(proc)
	if err != nil {
		return Holder{}
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() || !hasOpen(filepath.Join(proc, entry.Name(), "fd"), sockets) {
			continue
		}
		name, _ := os.ReadFile(filepath.Join(proc, entry.Name(), "comm")) // "" when the process has just gone
		return Holder{PID: pid, Name: strings.TrimSpace(string(name))}
	}
	return Holder{}
}

// socketsOn lists the inodes of the sockets that a table such as /proc/net/udp6 shows on a local port.
func socketsOn(table string, port uint16) []string {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer f.Close()
	var inodes []string
	for s := bufio.NewScanner(f); s.Scan(); {
		// sl local_address rem_address st queues tr:when retrnsmt uid timeout inode …
		fields := strings.Fields(s.Text())
		if len(fields) > 9 && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
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
