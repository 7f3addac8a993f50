package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A host is what of the machine that runs the tests they must leave as it is.
type host struct {
	Files     map[string]string // of /etc: mode and hash, or the link's target
	Units     []string          // systemd's units and what enables them
	Packages  string            // hash of dpkg's list
	Addresses []string
	Ports     []string // UDP and TCP below 1024 that somebody listens on
	Mounts    []string
}

func snapshotHost() (h host, err error) {
	var errs [5]error
	h.Files, errs[0] = etc()
	h.Units = units()
	h.Packages, errs[1] = hashFile("/var/lib/dpkg/status")
	h.Addresses, errs[2] = addresses()
	h.Ports, errs[3] = ports()
	h.Mounts, errs[4] = mounts()
	return h, errors.Join(errs[:]...)
}

// etc reads every file below /etc.
func etc() (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir("/etc", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			files[path], err = os.Readlink(path)
			return err
		}
		if !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		sum, err := hashFile(path)
		files[path] = fmt.Sprintf("%s %s", info.Mode(), sum)
		return err
	})
	return files, err
}

func hashFile(path string) (string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "none", nil // also a file of /etc that another program replaces just now
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8]), err
}

// units lists the unit files that systemd would find, those made at run time included.
func units() []string {
	var names []string
	for _, dir := range []string{"/usr/lib/systemd/system", "/lib/systemd/system", "/run/systemd/system", "/run/systemd/transient", "/run/systemd/generator"} {
		found, err := filepath.Glob(dir + "/*")
		if err == nil {
			names = append(names, found...)
		}
	}
	return names
}

func addresses() ([]string, error) {
	var out []string
	nics, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, nic := range nics {
		addrs, err := nic.Addrs()
		if err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprintln(nic.Name, nic.HardwareAddr, nic.Flags, addrs))
	}
	return out, nil
}

// ports reads the sockets that wait for strangers. Ports from 1024 on are left out: other tests on
// the same machine use them for a moment.
func ports() ([]string, error) {
	var out []string
	for _, table := range []string{"udp", "udp6", "tcp", "tcp6", "raw6"} {
		text, err := os.ReadFile("/proc/net/" + table)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 4 || !strings.HasSuffix(f[2], ":0000") {
				continue // the heading, or a connection
			}
			if i := strings.LastIndex(f[1], ":"); i >= 0 && f[1][i+1:] < "0400" {
				out = append(out, table+" "+f[1])
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// mounts leaves out the named network namespaces: the lab makes none, but others may just now.
func mounts() ([]string, error) {
	text, err := os.ReadFile("/proc/self/mounts")
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "nsfs ") }), err
}
