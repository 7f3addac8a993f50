package responder

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/wire"
)

var long = flag.Bool("long", false, "kill the server for a minute, not only some times")

// childVariable holds the folder in which a process of this program is the server.
const childVariable = "V6RESPONDER_TEST_SERVES"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		fmt.Fprintln(os.Stderr, serveChild(dir)) // it is killed, or says why it ends
		return
	}
	m.Run()
}

// serveChild serves until it is killed; it says on standard output when it is ready.
func serveChild(dir string) error {
	c, err := LoadConfig(filepath.Join(dir, "conf"))
	if err != nil {
		return err
	}
	return NewServer(Options{
		Config: c, StateDir: filepath.Join(dir, "state"), Clock: clock.Boottime{}, Log: slog.New(slog.DiscardHandler),
		Ready: func() { fmt.Println("ready") },
	}).Serve(context.Background())
}

// A chaos is a server that is killed again and again, and guests that remember what they were told.
type chaos struct {
	*net6
	r       *rand.Rand
	guests  []guest
	leases  map[wire.DUID]netip.Addr // acknowledged, and not given back since
	holders map[netip.Addr]wire.DUID
	asked   map[wire.DUID]*question // without an answer yet
	answers int
}

// A question is what a guest has asked last.
type question struct {
	*wire.Message
	frame []byte
	sent  int // how many answers all had heard then
}

const chaosGuests = 400

// TestAKilledServerHasEveryLeaseThatItAcknowledged: kill -9 in the middle of some hundred exchanges, again
// and again. Each lease that a guest was told of is in the store, and no address is two guests'.
func TestAKilledServerHasEveryLeaseThatItAcknowledged(t *testing.T) {
	c := newChaos(t)
	kills := 0
	for end := time.Now().Add(time.Minute); kills < 12 || *long && time.Now().Before(end); kills++ {
		c.life(nil)
		c.check(kills)
		if t.Failed() {
			break
		}
	}
	t.Logf("%d kills, %d answers, %d guests with a lease", kills, c.answers, len(c.leases))
}

// TestAKilledServerWhoseFileWasReplacedHasEveryLease: meanwhile the store's file is removed, moved away, replaced by an
// older one, or written over by it as cp does.
func TestAKilledServerWhoseFileWasReplacedHasEveryLease(t *testing.T) {
	c := newChaos(t)
	c.life(nil)
	c.check(0)
	file := filepath.Join(c.dir, "state", storeFile)
	older, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	acts := []func() (put os.FileInfo, err error){ // what stands in the file's place then
		func() (os.FileInfo, error) { return nil, os.Remove(file) },
		func() (os.FileInfo, error) { return nil, os.Rename(file, file+".old") },
		func() (os.FileInfo, error) {
			err := os.WriteFile(file+".backup", older, 0o600)
			put, statErr := os.Stat(file + ".backup")
			return put, errors.Join(err, statErr, os.Rename(file+".backup", file))
		},
		func() (os.FileInfo, error) { return nil, os.WriteFile(file, older, 0o600) },
	}
	for kills := 1; kills <= 12 && !t.Failed(); kills++ {
		c.life(func() { c.meddle(file, acts[kills%len(acts)]) })
		c.check(kills)
		beside, err := filepath.Glob(file + ".*")
		if err != nil || len(beside) > 1 {
			t.Errorf("kill %d: left are %v, %v", kills, beside, err)
		}
		for _, name := range beside {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d answers, %d guests with a lease", c.answers, len(c.leases))
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	n := newNet(t)
	config := strings.Replace(plain, "hosts = /hosts\n", "", 1) +
		"pool = 2001:db8:1::b000-2001:db8:1::b3ff\npool_per_mac = 0\npool_rate = 0\nsend_ra = no\npreferred_lifetime = 200\nvalid_lifetime = 400\n"
	if err := os.WriteFile(filepath.Join(n.dir, "conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &chaos{
		net6: n, r: rand.New(rand.NewPCG(11, 12)), leases: map[wire.DUID]netip.Addr{}, holders: map[netip.Addr]wire.DUID{},
		asked: map[wire.DUID]*question{},
	}
	for i := range chaosGuests {
		c.guests = append(c.guests, newGuest(i))
	}
	return c
}

// meddle does something to the store's file while guests wait for answers, and hears those until another file of the
// server's stands in its place.
func (c *chaos) meddle(file string, act func() (os.FileInfo, error)) {
	c.t.Helper()
	before, err := os.Stat(file)
	if err != nil {
		c.t.Fatal(err)
	}
	put, err := act()
	if err != nil {
		c.t.Fatal(err)
	}
	for {
		c.drain()
		now, err := os.Stat(file)
		if err == nil && !os.SameFile(now, before) && (put == nil || !os.SameFile(now, put)) {
			break
		}
	}
}

// hearAll hears so many answers and more.
func (c *chaos) hearAll(answers int) {
	c.t.Helper()
	for most := c.answers + answers; c.answers < most; c.drain() {
		for len(c.asked) < 32 {
			c.ask()
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}, 100)
		if err != nil && !errors.Is(err, unix.EINTR) {
			c.t.Fatal(err)
		}
		c.askAgain(n == 0)
	}
}

// othersFirst is how many answers to others a guest hears before it asks again.
const othersFirst = 64

// askAgain sends once more what has no answer though others have, or though nothing is heard (quiet), as guests do: what
// was asked while the store could not be used gets none, and a disk that many use takes its time. The server takes
// frames in their order, so it has seen the second before the guest's next question.
func (c *chaos) askAgain(quiet bool) {
	for _, q := range c.asked {
		if quiet || c.answers-q.sent >= othersFirst {
			q.sent = c.answers
			c.sendFrame(q.frame)
		}
	}
}

// life is one of the server's, from its start to its end by SIGKILL, so many answers later; meddle, if it is not nil, comes in
// between.
func (c *chaos) life(meddle func()) {
	c.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), exe) // of this thread: in its namespace
	cmd.Env, cmd.Stderr = append(os.Environ(), childVariable+"="+c.dir), os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { // where the test ends in the middle of this life
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 6)); err != nil {
		c.t.Fatalf("the server does not begin: %v, %v", err, cmd.Wait())
	}
	clear(c.asked) // what was lost with the last one
	if meddle != nil {
		c.hearAll(50 + c.r.IntN(300))
		meddle()
	}
	c.hearAll(50 + c.r.IntN(1500))
	if err := cmd.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	c.drain()
}

// ask lets a guest that waits for nothing send something.
func (c *chaos) ask() {
	g := c.guests[c.r.IntN(len(c.guests))]
	for c.asked[g.duid] != nil {
		g = c.guests[c.r.IntN(len(c.guests))]
	}
	m := g.request()
	c.r.Uint32()
	for i := range m.TransactionID {
		m.TransactionID[i] = byte(c.r.Uint32())
	}
	if a, leased := c.leases[g.duid]; leased {
		m.IANAs[0].Addresses = []wire.Address{{Addr: a}}
		switch c.r.IntN(6) {
		case 0:
			m.Type = dhcpv6.MessageTypeRelease
			delete(c.leases, g.duid) // from now on it does not use it
			delete(c.holders, a)
		case 1, 2, 3:
			m.Type = dhcpv6.MessageTypeRenew
		}
	}
	q := &question{m, g.frame(c.t, m), c.answers}
	c.asked[g.duid] = q
	c.sendFrame(q.frame)
}

// hear takes in an answer.
func (c *chaos) hear(m *wire.Message) {
	c.t.Helper()
	asked := c.asked[m.ClientID]
	if asked == nil || asked.TransactionID != m.TransactionID {
		return // from before
	}
	delete(c.asked, m.ClientID)
	c.answers++
	if asked.Type == dhcpv6.MessageTypeRelease {
		return
	}
	if len(m.IANAs) != 1 || len(m.IANAs[0].Addresses) != 1 || m.IANAs[0].Addresses[0].Valid == 0 {
		c.t.Errorf("in answer to %v: %v", asked, m)
		return
	}
	a := m.IANAs[0].Addresses[0].Addr
	if other, held := c.holders[a]; held && other != m.ClientID {
		c.t.Errorf("%s is given to %s and to %s", a, other, m.ClientID)
	}
	if before, had := c.leases[m.ClientID]; had && before != a {
		c.t.Errorf("%s had %s and is given %s", m.ClientID, before, a)
	}
	c.leases[m.ClientID], c.holders[a] = a, m.ClientID
}

// drain hears what the server had sent when it died.
func (c *chaos) drain() {
	b := make([]byte, 2048)
	for {
		size, from, err := unix.Recvfrom(c.fd, b, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return
		}
		if l, ok := from.(*unix.SockaddrLinklayer); !ok || l.Pkttype == unix.PACKET_OUTGOING || size <= 14 {
			continue
		}
		if d, ok := parsePacket(b[14:size], false); ok && d.dst.Port() == 546 {
			m, err := wire.Decode(d.payload)
			if err != nil {
				c.t.Fatal(err)
			}
			c.hear(m)
		}
	}
}

// check reads the store.
func (c *chaos) check(kills int) {
	c.t.Helper()
	stored := map[netip.Addr]*leasestore.Lease{}
	store, err := openStore(filepath.Join(c.dir, "state"), leasestore.Options{Clock: clock.Boottime{}, Load: func(l *leasestore.Lease) {
		if stored[l.Prefix.Addr()] != nil {
			c.t.Errorf("kill %d: %s is stored twice", kills, l.Prefix)
		}
		stored[l.Prefix.Addr()] = l
	}})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		c.t.Error(err)
	}
	for duid, a := range c.leases {
		if l := stored[a]; l == nil || l.DUID != duid || l.State != leasestore.Bound {
			c.t.Errorf("kill %d: %s was told that it has %s; stored is %+v", kills, duid, a, l)
		}
	}
}
