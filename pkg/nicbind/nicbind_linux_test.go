package nicbind

import (
	"errors"
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// C-17.1-01
func TestASocketIsBoundToTheIndexWhoeverBearsTheName(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "one"}, PeerName: "two"}
	if err := netlink.LinkAdd(pair); err != nil {
		t.Fatal(err)
	}
	one, two := index(t, "one"), index(t, "two")
	for _, tt := range []struct {
		what  string
		bind  func(fd int, name string, index int) error
		name  string
		index int
		want  error
	}{
		{"by index", Bind, "one", one, nil},
		{"by index, when the name has gone to another", Bind, "one", two, nil},
		{"by name", bindByName, "one", one, nil},
		{"by name, when that has gone to another", bindByName, "one", two, unix.ENODEV},
		{"by name, when there is none", bindByName, "three", one, unix.ENODEV},
	} {
		fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := tt.bind(fd, tt.name, tt.index); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.what, err, tt.want)
		}
		if tt.want == nil {
			if got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX); err != nil || got != tt.index {
				t.Errorf("%s: bound to %d, %v", tt.what, got, err)
			}
		}
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
	}
}

func index(t *testing.T, name string) int {
	t.Helper()
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return ifi.Index
}
