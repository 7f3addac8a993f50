package sysctl

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// inNamespace runs do in a network and mount namespace of its own with a NIC "eth0.7". The thread
// ends with the goroutine, since it stays locked.
func inNamespace(t *testing.T, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes namespaces")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		for _, err := range []error{
			unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS),
			unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0.7"}, PeerName: "peer"}),
		} {
			if err != nil {
				t.Error(err)
				return
			}
		}
		do()
	}()
	<-done
}

func TestRealKernelTakesSwitches(t *testing.T) {
	inNamespace(t, func() {
		tree := Tree{}
		saved, err := tree.Apply("eth0.7", []Setting{
			{AddrGenMode, "1"}, {AcceptRADefrtr, "0"}, {AcceptRA, "2"}, {Autoconf, "0"}, {OptimisticDAD, "1"}, {UseOptimistic, "1"},
		})
		if err != nil {
			t.Error(err)
		}
		for _, s := range saved.Settings {
			if got, err := tree.Get("eth0.7", s.Switch); err != nil || got == s.Value {
				t.Errorf("%s is %q as before, %v", s.Switch, got, err)
			}
		}
		if err := tree.Restore(saved); err != nil {
			t.Error(err)
		}
		if got, err := tree.Get("eth0.7", AcceptRA); err != nil || got != "1" {
			t.Errorf("restored to %q, %v", got, err)
		}
		if got, err := tree.Get("eth0.7", Forwarding); err != nil || got != "0" {
			t.Errorf("forwarding is %q, %v", got, err)
		}
		// A value that the kernel refuses.
		if err := tree.Set("eth0.7", Setting{AddrGenMode, "77"}); !errors.Is(err, ErrNotTaken) {
			t.Errorf("got %v", err)
		}
		if err := tree.Set("eth1", Setting{AcceptRA, "0"}); !errors.Is(err, ErrNoNIC) {
			t.Errorf("got %v", err)
		}
		// Below an MTU of 1280 there is no IPv6 on a NIC, and no switch.
		l, err := netlink.LinkByName("eth0.7")
		if err == nil {
			err = netlink.LinkSetMTU(l, 1000)
		}
		if err != nil {
			t.Error(err)
		}
		if _, err := tree.Get("eth0.7", AcceptRA); !errors.Is(err, ErrNoNIC) {
			t.Errorf("got %v", err)
		}
	})
}

func TestReadOnlyProcSysIsTold(t *testing.T) {
	inNamespace(t, func() {
		for _, flags := range []uintptr{unix.MS_BIND, unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY} {
			if err := unix.Mount("/proc/sys", "/proc/sys", "", flags, ""); err != nil {
				t.Error(err)
				return
			}
		}
		tree := Tree{}
		err := tree.Set("eth0.7", Setting{AcceptRA, "2"})
		var e *Error
		if !errors.Is(err, ErrReadOnly) || !errors.As(err, &e) || e.Cure() == "" {
			t.Errorf("got %v", err)
		}
		// What is as it should be needs no writing.
		if err := tree.Set("eth0.7", Setting{AcceptRA, "1"}); err != nil {
			t.Error(err)
		}
	})
}
