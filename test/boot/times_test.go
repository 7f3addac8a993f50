package boot

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/roots"
)

var page = flag.String("page", "", "the page that TestTimeToTheAddress writes its table into: make bench-boot")

// The marks on the page between which the table stands.
const (
	pageBegin = "<!-- made by make bench-boot -->\n"
	pageEnd   = "<!-- end of what make bench-boot makes -->\n"
)

// timesFile has a line for each change of an address since early in the boot, with its time by the wall clock.
const timesFile = "/run/times"

// timed has every change of an address written down with its time, as the kernel tells of it.
var timed = []file{
	text("/etc/systemd/system/times.service", `[Unit]
DefaultDependencies=no
Before=v6guest-configure.service network-pre.target
[Service]
Environment=TZ=UTC
ExecStart=ip -o -ts monitor address
StandardOutput=file:`+timesFile+"\n"),
	link("/etc/systemd/system/sysinit.target.wants/times.service", "/etc/systemd/system/times.service"),
}

// leasesNot is the guest whose own client cannot lease both addresses: see TestConfigureRefusesWhatDhcpcdCannotDo.
const leasesNot = "debian13-ifupdown-dhcpcd"

// A timing is when, in seconds from the kernel's start, a client started and its address had passed DAD.
type timing struct {
	client          string
	started, usable float64
	refused         string // what it said in the place of an address
}

// TestTimeToTheAddress makes the table of docs/performance.md: from the start of the kernel, and of v6guest.service, to the moment when the
// first NIC's address has passed DAD, by either lease policy; beside it, on the same root without v6guest, the recipe by hand.
func TestTimeToTheAddress(t *testing.T) {
	needLong(t)
	var mu sync.Mutex
	timings := map[string][]timing{} // by root
	t.Run("guests", func(t *testing.T) {
		for _, name := range []string{
			"debian12-ifupdown-dhclient", "debian13-ifupdown-dhcpcd", "debian13-networkd", "debian13-networkmanager", "debian13-netplan",
		} {
			timings[name] = make([]timing, 3)
			record := func(column int, got timing) {
				mu.Lock()
				defer mu.Unlock()
				timings[name][column] = got
			}
			t.Run(name, func(t *testing.T) { record(0, timeOfAgent(t, caseOf(name))) })
			if name != leasesNot {
				t.Run(name+"-leases", func(t *testing.T) { record(1, timeOfAgent(t, caseOf(name+"-leases"))) })
			}
			t.Run(name+" by hand", func(t *testing.T) { record(2, timeByHand(t, caseOf(name))) })
		}
	})
	table, whole := tableOf(timings)
	t.Logf("\n%s", table)
	if *page != "" && !whole {
		t.Errorf("the page needs every row")
	} else if *page != "" {
		check(t, writePage(*page, table))
	}
}

// timeOfAgent is the timing of the address on a guest with v6guest's package.
func timeOfAgent(t *testing.T, tt guestCase) timing {
	tt.files = append(slices.Clone(tt.files), timed...)
	g := bootCase(t, tt, enabled)
	at := g.usable()
	started, err := strconv.ParseFloat(g.say("systemctl", "show", "--value", "-p", "ExecMainStartTimestampMonotonic", "v6guest.service"), 64)
	check(t, err)
	return timing{client: tt.client, started: started / 1e6, usable: at}
}

// timeByHand is that of dhclient, which somebody types when the boot is done.
func timeByHand(t *testing.T, tt guestCase) timing {
	t.Helper()
	root := need(t, tt.spec)
	ctx := within(t, 20*time.Minute)
	// Debian 12's, out of ifupdown's sight: it would be preferred to the client that the root has.
	from, err := roots.Get(ctx, debian12, t.Output())
	check(t, err)
	dhclient, err := program("/root/dhclient", filepath.Join(from, "usr/sbin/dhclient"))
	check(t, err)
	script, err := program("/root/dhclient-script", filepath.Join(from, "usr/sbin/dhclient-script"))
	check(t, err)
	c := networks(ctx, t, tt.way)
	g := start(ctx, t, c, root, diskOf(ctx, t, root, withPackage(ctx, disabled), tt.files, timed, []file{dhclient, script}))
	// systemd does not wait for ifup, and dhclient cannot bind to a link-local address that has not passed DAD.
	g.await("link-local address on eth0", "ip -6 addr show dev eth0 scope link -tentative | grep -q fe80")
	a, err := g.run(g.ctx, "sh", "-c", "cat /proc/uptime; exec /root/dhclient -v -6 -1 -D LL -sf /root/dhclient-script -lf /run/by-hand.leases -pf /run/by-hand.pid eth0")
	check(t, err)
	if a.Code != 0 {
		t.Logf("dhclient ends with %d: %s", a.Code, a.Stderr)
		_, said, _ := strings.Cut(string(a.Stderr), "\n\n") // behind who made it
		said, _, _ = strings.Cut(said, "\n")
		return timing{client: "dhclient", refused: "`" + said + "`"}
	}
	since, _, _ := strings.Cut(string(a.Stdout), " ")
	started, err := strconv.ParseFloat(since, 64)
	check(t, err)
	return timing{client: "dhclient", started: started, usable: g.usable()}
}

// usable waits until eth0's reserved address has passed DAD, and returns when it had, in seconds from the kernel's start.
func (g *machine) usable() float64 {
	g.t.Helper()
	addr := g.cloud.Nets[0].Reserved.Addr.String() + "/128"
	g.await("reserved address on eth0", "ip -6 addr show dev eth0 scope global -tentative | grep -qF "+addr)
	// The kernel tells both of it; the file has it when its writer has come round.
	g.do("sh", "-c", "tail -n +1 -f "+timesFile+" | sed -n '\\,"+addr+",{/tentative/!{/Deleted/!q}}' & wait $!; pkill -x tail; true")
	now := strings.Fields(g.do("sh", "-c", "cat /proc/uptime; date +%s.%N"))
	up, err := strconv.ParseFloat(now[0], 64)
	check(g.t, err)
	wall, err := strconv.ParseFloat(now[2], 64)
	check(g.t, err)
	for line := range strings.Lines(g.say("cat", timesFile)) {
		stamp, what, ok := strings.Cut(strings.TrimPrefix(line, "["), "] ")
		if !ok || !strings.Contains(what, "eth0") || !strings.Contains(what, addr) || strings.Contains(what, "tentative") || strings.HasPrefix(what, "Deleted") {
			continue
		}
		at, err := time.Parse("2006-01-02T15:04:05.000000", stamp)
		check(g.t, err)
		return up - (wall - float64(at.UnixMicro())/1e6)
	}
	g.t.Fatalf("%s was never told of:\n%s", addr, g.say("cat", timesFile))
	return 0
}

// tableOf is the table for the page, and whether each guest that was booted has its row.
func tableOf(timings map[string][]timing) (table string, whole bool) {
	var b strings.Builder
	version, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	fmt.Fprintf(&b, "Run of %s; Linux %s; seconds.\n\n", time.Now().UTC().Format(time.DateOnly), strings.TrimSpace(string(version)))
	whole = true
	b.WriteString("| guest | who leases | started | address usable | from that start |\n|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(timings)) {
		for column, who := range []string{"v6guest", "its own client (%s), as v6guest has configured it", "without v6guest: dhclient by hand"} {
			switch got := timings[name][column]; {
			case got.refused != "":
				fmt.Fprintf(&b, "| %s | %s | – | never: %s | – |\n", name, who, got.refused)
			case column == 1 && got.client != "":
				fmt.Fprintf(&b, "| %s | %s | – | %.1f | – |\n", name, fmt.Sprintf(who, got.client), got.usable)
			case got.client != "":
				fmt.Fprintf(&b, "| %s | %s | %.1f | **%.1f** | %.1f |\n", name, who, got.started, got.usable, got.usable-got.started)
			case column != 1 || name != leasesNot:
				whole = false
			}
		}
	}
	return b.String(), whole
}

// writePage puts the table between the marks of the page.
func writePage(name, table string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), pageBegin)
	_, after, closed := strings.Cut(rest, pageEnd)
	if !ok || !closed {
		return fmt.Errorf("%s has not both marks %q and %q", name, strings.TrimSpace(pageBegin), strings.TrimSpace(pageEnd))
	}
	return os.WriteFile(name, []byte(before+pageBegin+"\n"+table+"\n"+pageEnd+after), 0o644)
}
