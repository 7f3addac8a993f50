package guest

import (
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A Place is what the agent must know of where it runs (decision 12).
type Place struct {
	// Container is the kind of the container that this is, as its manager calls it; empty outside of one.
	Container string
	// FixedSwitches says that the kernel's switches cannot be set: /proc/sys is read-only.
	FixedSwitches bool
}

// Placed tells where the agent runs.
type Placed interface{ Place() Place }

// Place looks at this machine.
func (machine) Place() Place { return thisPlace() }

func thisPlace() Place {
	var st unix.Statfs_t
	fixed := unix.Statfs("/proc/sys", &st) == nil && st.Flags&unix.ST_RDONLY != 0
	return Place{Container: containerKind(os.DirFS("/")), FixedSwitches: fixed}
}

// maxKind bounds the name of a kind of container, in bytes.
const maxKind = 64

// containerKind finds the marks of containers: systemd's, the environment of the first process as LXC,
// systemd-nspawn and podman set it, and the files of podman and Docker.
func containerKind(root fs.FS) string {
	kind, _ := fs.ReadFile(root, "run/systemd/container")
	if len(kind) == 0 {
		environ, _ := fs.ReadFile(root, "proc/1/environ") // only root may read it
		for _, word := range strings.Split(string(environ), "\x00") {
			if value, ok := strings.CutPrefix(word, "container="); ok {
				kind = []byte(value)
			}
		}
	}
	if text := strings.TrimSpace(string(kind)); text != "" {
		return strings.ToValidUTF8(text[:min(len(text), maxKind)], "")
	}
	for _, mark := range []struct{ file, kind string }{{"run/.containerenv", "podman"}, {".dockerenv", "docker"}} {
		if _, err := fs.Stat(root, mark.file); err == nil {
			return mark.kind
		}
	}
	return ""
}
