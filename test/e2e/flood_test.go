package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/wire"
	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
)

// What forged packets may cost v6guest, as docs/networks.md states it.
const (
	floodCPU    = 40 * time.Microsecond // of one core, for each packet
	floodMemory = 24 << 20              // resident at the most, in bytes
	floodLines  = 80                    // of log
	floodLoss   = 5                     // percent of the pings that go on meanwhile
)

// The stated rate, and for how long on each network; the agent's own work must go on all the while.
const (
	floodRate = 10_000 // a second
	floodTime = 10 * time.Second
)

func TestTenThousandForgedPacketsASecondAreBorne(t *testing.T) {
	rough(t)
	ofEachMode(t, forgedPackets)
}

func forgedPackets(t *testing.T, mode string) {
	c, ctx, p, strangers := besieged(within(t, 3*time.Minute), t, mode)
	before := cpuTime(t, p)
	quiet := len(p.Lines())
	sent, arrived := 0, received(ctx, t, c)
	var spent time.Duration
	ping := pinging(t, c.Guest, c.Nets[0].Neighbor6)
	for _, s := range strangers {
		n, took := s.flood(ctx, t, c)
		sent, spent = sent+n, spent+took
	}
	loss := ping.loss(ctx, t)
	// It is at hand at once, and still does what it is for.
	if _, r := lease(ctx, t, c.Guest, "eth0"); r.Code != 0 {
		t.Errorf("lease: exit code %d: %s", r.Code, r.Stderr)
	}
	arrived = received(ctx, t, c) - arrived
	cpu, memory := cpuTime(t, p)-before, peakMemory(t, p)
	each, lines := cpu/time.Duration(sent), len(p.Lines())-quiet
	t.Logf("%d packets in %s, %d arrived: %s of CPU, %s each; at most %d KiB resident; %d lines of log; %d %% of the pings without an answer",
		sent, spent.Round(time.Millisecond), arrived, cpu, each, memory>>10, lines, loss)
	if rate := float64(sent) / spent.Seconds(); arrived < sent*9/10 || rate < floodRate/2 {
		t.Errorf("%d of %d packets arrived, %.0f a second: the test shows less than it says", arrived, sent, rate)
	}
	if each > floodCPU {
		t.Errorf("%s of CPU for each packet, at most %s are stated", each, floodCPU)
	}
	if memory > floodMemory {
		t.Errorf("%d bytes resident, at most %d are stated", memory, int64(floodMemory))
	}
	if lines > floodLines {
		t.Errorf("%d lines of log, at most %d are stated", lines, floodLines)
	}
	if loss > floodLoss {
		t.Errorf("%d %% of the pings have no answer, at most %d %% are stated", loss, floodLoss)
	}
	untouched(ctx, t, c)
}

// received is how many IPv6 packets the guest's kernel has had.
func received(ctx context.Context, t *testing.T, c *cloud.Cloud) int {
	t.Helper()
	for line := range strings.Lines(must(ctx, t, c, "cat", "/proc/net/snmp6")) {
		if v, ok := strings.CutPrefix(line, "Ip6InReceives"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(v))
			check(t, err)
			return n
		}
	}
	t.Fatal("the kernel does not tell Ip6InReceives")
	return 0
}

// flood sends packets at the stated rate for the stated time, and returns how many and how long that took.
func (s *stranger) flood(ctx context.Context, t *testing.T, c *cloud.Cloud) (sent int, took time.Duration) {
	t.Helper()
	forged := s.forge(t, c)
	tick := time.NewTicker(time.Second / 100) // the rate is what is under test, nothing is waited for
	defer tick.Stop()
	const all = floodRate * int(floodTime/time.Second)
	for began := time.Now(); sent < all; took = time.Since(began) {
		// What a busy machine held up follows, but not all in one: the guest's kernel would drop it.
		for due := min(int(took*floodRate/time.Second), sent+floodRate/50, all); sent < due; sent++ {
			check(t, s.Send(forged[sent%len(forged)]))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(context.Cause(ctx))
		}
	}
	return sent, took
}

// forge makes packets of every kind that the guest listens to.
func (s *stranger) forge(t *testing.T, c *cloud.Cloud) (out []lab.Packet) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	client := wire.DUID(append([]byte{0, 3, 0, 1}, s.net.Reserved.MAC...))
	for i := range 2000 {
		// A hundred sources: the kernel notes each in a table that all machines of the lab share.
		from := linkLocal(0x100 + i%100)
		switch i % 4 {
		case 0, 1:
			a := ra.Advertisement{
				Managed: random.IntN(2) == 0, Other: random.IntN(2) == 0, Preference: ra.Low,
				RouterLifetime: time.Duration(random.IntN(2)*1800) * time.Second,
				Prefixes:       []ra.Prefix{onLink(netip.MustParsePrefix(fmt.Sprintf("2001:db8:bd:%x::/64", random.IntN(1<<16)))), onLink(c.Nets[random.IntN(2)].Prefix)},
				RDNSS:          []ra.RDNSS{{Lifetime: time.Hour, Servers: []netip.Addr{netip.MustParseAddr(fmt.Sprintf("2001:db8:bd::%x", 1+random.IntN(1<<16)))}}},
				DNSSL:          []ra.DNSSL{{Lifetime: time.Hour, Domains: []string{fmt.Sprintf("bad%d.example", random.IntN(1<<16))}}},
			}
			packets, err := a.Marshal(1500)
			check(t, err)
			b := packets[0]
			switch i % 8 {
			case 1: // cut off
				b = b[:16+random.IntN(len(b)-16)]
			case 5: // with a bit turned
				b[16+random.IntN(len(b)-16)] ^= 1 << random.IntN(8)
			}
			out = append(out, lab.Packet{From: s.mac, Src: from, Dst: ra.AllNodes, Payload: b})
		case 2:
			kinds := []dhcpv6.MessageType{dhcpv6.MessageTypeAdvertise, dhcpv6.MessageTypeReply, dhcpv6.MessageTypeReconfigure}
			m := answer(&wire.Message{ClientID: client}, kinds[random.IntN(3)], duid(random.IntN(1<<16)), ia(time.Hour, time.Hour, s.net.Host(uint16(random.IntN(1<<16)))))
			m.ReconfigureMessage, m.RapidCommit = dhcpv6.MessageTypeRenew, true
			m.TransactionID = dhcpv6.TransactionID{byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256))}
			b, err := m.Encode()
			check(t, err)
			out = append(out, s.datagram(from, b))
		default:
			b := make([]byte, random.IntN(1400))
			for j := range b {
				b[j] = byte(random.IntN(256))
			}
			if len(b) > 0 {
				b[0] = byte(1 + random.IntN(13))
			}
			out = append(out, s.datagram(from, b))
		}
	}
	return out
}

// cpuTime is what a process has used of the processors, in user mode and in the kernel.
func cpuTime(t *testing.T, p *lab.Process) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	check(t, err)
	// Behind the name, which may hold anything: the state is the third field, the times the 14th and 15th.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		check(t, err)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ, on every architecture of Linux with Go
}

// peakMemory is the most that a process has had resident, in bytes.
func peakMemory(t *testing.T, p *lab.Process) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	check(t, err)
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			check(t, err)
			return n << 10
		}
	}
	t.Fatal("the kernel does not tell VmHWM")
	return 0
}
