// Package holder finds out who has a UDP port that one wants oneself.
package holder

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
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
// thread, with the help of the proc file system that is mounted at proc; this process may be among them.
// With addresses only sockets that are bound to one of them or to none count: those of one NIC. The former
// come first, since those that are bound to none may be another NIC's. Of other users' processes only root
// learns which sockets they have (CAP_SYS_PTRACE); where nothing can be told the list is empty.
func UDP(proc string, port uint16, addresses ...netip.Addr) []Process {
	sockets := socketsOn(filepath.Join(proc, "thread-self/net/udp6"), port)
	bound, wild := map[string]bool{}, map[string]bool{}
	for link, addr := range sockets {
		switch {
		case addr.IsUnspecified():
			wild[link] = true
		case len(addresses) == 0 || slices.Contains(addresses, addr):
			bound[link] = true
		}
	}
	if len(bound)+len(wild) == 0 {
		return nil
	}
	var first, rest []Process
	for pid, folder := range processes(proc) {
		switch descriptors := filepath.Join(folder, "fd"); {
		case hasOpen(descriptors, bound):
			first = append(first, Process{PID: pid, Name: name(folder)})
		case hasOpen(descriptors, wild):
			rest = append(rest, Process{PID: pid, Name: name(folder)})
		}
	}
	return append(first, rest...)
}

// Named lists the other processes that call themselves by one of the names: of these everybody learns, so that it
// serves to guess where UDP may tell nothing.
func Named(proc string, names ...string) []Process {
	var out []Process
	for pid, folder := range processes(proc) {
		if n := name(folder); pid != os.Getpid() && slices.Contains(names, n) {
			out = append(out, Process{PID: pid, Name: n})
		}
	}
	return out
}

// processes are the folders of processes, with their numbers.
func processes(proc string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		entries, _ := os.ReadDir(proc) // none can be seen then
		for _, entry := range entries {
			if pid, err := strconv.Atoi(entry.Name()); err == nil && !yield(pid, filepath.Join(proc, entry.Name())) {
				return
			}
		}
	}
}

// commLen is what the kernel keeps of a process's name at most, in bytes.
const commLen = 15

// name is what a process calls itself, "" when it has just gone. Where the kernel keeps only the beginning,
// its program's file tells the rest.
func name(folder string) string {
	b, _ := os.ReadFile(filepath.Join(folder, "comm"))
	comm := strings.TrimSpace(string(b))
	if len(comm) != commLen {
		return comm
	}
	program, _ := os.Readlink(filepath.Join(folder, "exe"))
	if base := strings.TrimSuffix(filepath.Base(program), " (deleted)"); strings.HasPrefix(base, comm) {
		return base
	}
	return comm
}

// socketsOn finds the sockets that a table such as /proc/net/udp6 shows on a local port, as the links of
// file descriptors name them, with the address that each is bound to.
func socketsOn(table string, port uint16) map[string]netip.Addr {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer f.Close()
	sockets := map[string]netip.Addr{}
	for s := bufio.NewScanner(f); s.Scan(); {
		// sl local_address rem_address st queues tr:when retrnsmt uid timeout inode …
		fields := strings.Fields(s.Text())
		if len(fields) <= 9 {
			continue
		}
		local, ok := strings.CutSuffix(fields[1], fmt.Sprintf(":%04X", port))
		if addr, err := tableAddr(local); ok && err == nil {
			sockets["socket:["+fields[9]+"]"] = addr
		}
	}
	return sockets
}

// tableAddr reads an address as the table has it: four words in the order of the machine, in hex.
func tableAddr(text string) (netip.Addr, error) {
	words, err := hex.DecodeString(text)
	if err != nil || len(words) != 16 {
		return netip.Addr{}, fmt.Errorf("%q is no address", text)
	}
	var b [16]byte
	for i := 0; i < 16; i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(words[i:]))
	}
	return netip.AddrFrom16(b), nil
}

// hasOpen reports whether a folder of file descriptors has one of the sockets in it.
func hasOpen(folder string, sockets map[string]bool) bool {
	if len(sockets) == 0 {
		return false
	}
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
