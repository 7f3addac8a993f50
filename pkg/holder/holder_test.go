package holder_test

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/holder"
)

func TestHoldersOfAPortAreNamed(t *testing.T) {
	proc := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(proc, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("thread-self/net/udp6", `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1046: 00000000000000000000000000000000:0222 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 111 2 0000000000000000 0
 1046: 000080FE000000000000000005000000:0222 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 333 2 0000000000000000 0
 1046: 000080FE000000000000000006000000:0222 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 444 2 0000000000000000 0
 1047: 00000000000000000000000000000000:0223 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 222 2 0000000000000000 0
`)
	for pid, of := range map[string][2]string{
		"812": {"dnsmasq", "socket:[222]"}, "813": {"other", "socket:[111]"}, "814": {"bad\x1bname", "socket:[222]"},
		"815": {"", "socket:[222]"}, "816": {"systemd-network", "socket:[333]"}, "817": {"dhclient", "socket:[444]"},
	} {
		write(pid+"/comm", of[0]+"\n")
		if err := os.MkdirAll(filepath.Join(proc, pid, "fd"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(of[1], filepath.Join(proc, pid, "fd", "5")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/usr/lib/systemd/systemd-networkd (deleted)", filepath.Join(proc, "816", "exe")); err != nil {
		t.Fatal(err)
	}
	of := holder.UDP(proc, 546, netip.MustParseAddr("fe80::5"))
	if diff := cmp.Diff([]holder.Process{{816, "systemd-networkd"}, {813, "other"}}, of); diff != "" {
		t.Fatalf("holders of one NIC's port (-want +got):\n%s", diff)
	}
	got := holder.UDP(proc, 547)
	if diff := cmp.Diff([]holder.Process{{812, "dnsmasq"}, {814, "bad\x1bname"}, {815, ""}}, got); diff != "" {
		t.Fatalf("holders (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]holder.Process{{812, "dnsmasq"}, {816, "systemd-networkd"}}, holder.Named(proc, "systemd-networkd", "dnsmasq", "radvd")); diff != "" {
		t.Errorf("processes of a name (-want +got):\n%s", diff)
	}
	for i, want := range []string{"dnsmasq (pid 812)", `"bad\x1bname" (pid 814)`, "process 815"} {
		if got[i].String() != want {
			t.Errorf("%s, want %s", got[i], want)
		}
	}
	if got := holder.UDP(proc, 5); got != nil {
		t.Errorf("a free port is held by %v", got)
	}
	if got := holder.UDP(filepath.Join(proc, "none"), 547); got != nil {
		t.Errorf("without a proc file system: %v", got)
	}
}

func TestThisProcessIsFound(t *testing.T) {
	c, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok {
		t.Fatalf("a %T is no address of a UDP socket", c.LocalAddr())
	}
	if got := holder.UDP("/proc", uint16(a.Port)); len(got) != 1 || got[0].PID != os.Getpid() || got[0].Name == "" {
		t.Errorf("held by %v, not by process %d", got, os.Getpid())
	}
}
