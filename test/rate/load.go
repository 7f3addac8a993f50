package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/mmsg"

	"github.com/v6guest/v6guest/test/lab"
)

// A guestState is where one guest is on its way to an address.
type guestState struct {
	kind    byte // of the message that it waits for an answer to: 1 Solicit, 3 Request; 0: it does not
	first   time.Time
	due     time.Time     // when it sends again
	timeout time.Duration // the last one
	server  []byte
	addr    [16]byte
}

// A Result is what a load saw.
type Result struct {
	Bound     int           // exchanges that ended with an address
	Early     int           // of them, how many within 3 s of the first Solicit of all
	Lost      int           // that did not end within patience, where guests do not ask again
	Overrun   int           // datagrams that perfdhcp itself lost
	Refused   int           // answers without an address
	Twice     int           // addresses that two guests were given
	Took      time.Duration // from the first Solicit to the last Reply
	P50, Slow time.Duration // from a guest's first Solicit to its Reply: median and slowest
}

// patience is after how long an exchange is lost. The slowest server needs over a second for each of many
// at once.
const patience = 3 * time.Second

// A load plays many guests on one NIC: each has a MAC and a link-local address of its own, and the
// four-message exchange. Where the server's kernel asks who has such an address, it is told.
type load struct {
	fd     int
	in     *mmsg.Batch
	out    *mmsg.Batch
	queued int

	first, stride, count int
	guests               []guestState
	under                int  // exchanges under way
	again                bool // guests ask again (RFC 9915, section 15)
	irt                  time.Duration
	backoff              float64 // by how much it grows
	rapid                bool    // guests ask for Rapid Commit: two messages do
	times                []time.Duration
	owner                map[[16]byte]int
	result               Result
	finished             func(i int, now time.Time)
}

func generate(args []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	nic := flags.String("nic", "eth0", "the NIC")
	count := flags.Int("guests", 10000, "how many guests there are")
	first := flags.Int("first", 0, "the number of the first guest")
	stride := flags.Int("stride", 1, "from one guest's number to the next one's")
	window := flags.Int("window", 128, "how many exchanges run at once")
	during := flags.Duration("for", 3*time.Second, "how long")
	storm := flags.Duration("storm", 0, "let all guests start within that time, each once, and ask again until they are bound")
	irt := flags.Duration("irt", time.Second, "the first retransmission timeout, with -storm")
	backoff := flags.Float64("backoff", 2, "by how much it grows each time")
	rapid := flags.Bool("rapid", false, "ask for Rapid Commit: two messages instead of four")
	_ = flags.Parse(args) // it exits by itself

	fd, _, err := openPacket(unix.SOCK_RAW, *nic, toGuests)
	if err != nil {
		return err
	}
	l := &load{
		fd: fd, in: mmsg.New(256, 2048, 0), out: mmsg.New(256, 2048, 0), first: *first, stride: *stride, count: *count,
		guests: make([]guestState, *count), irt: *irt, backoff: *backoff, rapid: *rapid, owner: map[[16]byte]int{},
	}
	if *storm > 0 {
		err = l.storm(*storm, *during)
	} else {
		err = l.steady(*window, *during)
	}
	if err != nil {
		return err
	}
	if slices.Sort(l.times); len(l.times) > 0 {
		l.result.P50, l.result.Slow = l.times[len(l.times)/2], l.times[len(l.times)-1]
	}
	return json.NewEncoder(os.Stdout).Encode(l.result)
}

// steady keeps a number of exchanges going: the next guest begins where one has ended.
func (l *load) steady(window int, during time.Duration) error {
	began := time.Now()
	following := 0
	l.finished = func(_ int, now time.Time) {
		if now.Sub(began) < during {
			l.begin(following%l.count, now)
			following++
		}
	}
	for range min(window, l.count) {
		l.finished(0, began)
	}
	look := began
	for now := began; ; now = time.Now() {
		if now.Sub(look) > 100*time.Millisecond { // who has waited too long is lost
			look = now
			for i := range l.guests {
				if g := &l.guests[i]; g.kind != 0 && now.Sub(g.first) > patience {
					l.end(g)
					l.result.Lost++
					l.finished(i, now)
				}
			}
		}
		if now.Sub(began) > during && l.under == 0 {
			return nil
		}
		if err := l.turn(10); err != nil {
			return err
		}
		l.result.Took = time.Since(began)
	}
}

// storm lets every guest start within a time, and waits until all are bound or the end is reached.
func (l *load) storm(within, most time.Duration) error {
	l.again = true
	began := time.Now()
	l.finished = func(_ int, now time.Time) {
		l.result.Took = now.Sub(began)
		if l.result.Took <= 3*time.Second {
			l.result.Early++
		}
	}
	started := 0
	for now := began; l.result.Bound < l.count && now.Sub(began) < most; now = time.Now() {
		for ; started < l.count && now.Sub(began) >= within*time.Duration(started)/time.Duration(l.count); started++ {
			l.begin(started, now)
		}
		for i := range started {
			if g := &l.guests[i]; g.kind != 0 && now.After(g.due) {
				g.timeout = time.Duration(float64(g.timeout) * l.backoff)
				l.send(i, now)
			}
		}
		if err := l.turn(1); err != nil {
			return err
		}
	}
	return nil
}

// turn sends what waits, and takes in what comes.
func (l *load) turn(milliseconds int) error {
	l.flush()
	n, err := l.in.Receive(l.fd)
	if errors.Is(err, unix.EAGAIN) {
		return wait(l.fd, milliseconds)
	}
	if err != nil {
		return err
	}
	now := time.Now()
	for i := range n {
		l.take(l.in.Data(i), now)
	}
	return nil
}

func (l *load) flush() {
	for sent := 0; sent < l.queued; {
		n, err := l.out.Send(l.fd, sent, l.queued)
		if errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "rate: send:", err)
			n = 1
		}
		sent += n
	}
	l.queued = 0
}

// begin starts a guest's exchange.
func (l *load) begin(i int, now time.Time) {
	l.guests[i] = guestState{kind: 1, first: now, timeout: l.irt, server: l.guests[i].server}
	l.under++
	l.send(i, now)
}

// end ends it.
func (l *load) end(g *guestState) {
	g.kind = 0
	l.under--
}

// send sends the message that the guest is about to.
func (l *load) send(i int, now time.Time) {
	g := &l.guests[i]
	g.due = now.Add(time.Duration(float64(g.timeout) * (0.9 + 0.2*rand.Float64())))
	mac := l.mac(i)
	room := l.room()
	b := append(room[etherHeader+ipv6Header+udpHeader:][:0], g.kind, byte(i>>16), byte(i>>8), byte(i))
	b = appendOption(b, optClientID, []byte{0, 3, 0, 1}, mac[:])
	b = appendOption(b, optElapsed, []byte{0, 0})
	b = appendOption(b, optORO, []byte{0, 23, 0, 24})
	if l.rapid {
		b = appendOption(b, optRapidCommit)
	}
	ia := append(append([]byte{}, mac[2:]...), make([]byte, 8)...)
	if g.kind == 3 {
		b = appendOption(b, optServerID, g.server)
		ia = appendOption(ia, optIAAddr, g.addr[:], make([]byte, 8))
	}
	b = appendOption(b, optIANA, ia)
	copy(room, []byte{0x33, 0x33, 0, 1, 0, 2})
	copy(room[6:], mac[:])
	copy(room[12:], []byte{0x86, 0xdd})
	l.push(etherHeader + putDatagram(room[etherHeader:], eui64(mac), allServers, clientPort, serverPort, len(b)))
}

func (l *load) room() []byte {
	if l.queued == l.out.Len() {
		l.flush()
	}
	return l.out.Room(l.queued)
}

func (l *load) push(size int) {
	l.out.Set(l.queued, size, nil)
	l.queued++
}

// take takes in a frame.
func (l *load) take(frame []byte, now time.Time) {
	if len(frame) < etherHeader+ipv6Header+udpHeader+4 {
		return
	}
	ip := frame[etherHeader:]
	if ip[6] == protoICMPv6 {
		l.neighbour(frame)
		return
	}
	i, ok := l.number([16]byte(ip[24:40]))
	if !ok {
		return
	}
	m := ip[ipv6Header+udpHeader:]
	g := &l.guests[i]
	if wants := l.answerTo(g.kind); m[0] != wants || wants == 0 {
		return // an answer too many, or too late
	}
	server, addr, ok := readAnswer(m[4:])
	switch {
	case !ok:
		l.result.Refused++
		if !l.again {
			l.end(g)
			l.finished(i, now)
		}
	case m[0] == 2:
		g.kind, g.timeout, g.addr = 3, l.irt, addr
		g.server = append(g.server[:0], server...)
		l.send(i, now)
	default:
		l.end(g)
		if owner, taken := l.owner[addr]; taken && owner != i {
			l.result.Twice++
		}
		l.owner[addr] = i
		l.result.Bound++
		l.times = append(l.times, now.Sub(g.first))
		l.finished(i, now)
	}
}

// answerTo is the type of the message that a guest waits for.
func (l *load) answerTo(kind byte) byte {
	switch {
	case kind == 3, kind == 1 && l.rapid:
		return 7
	case kind == 1:
		return 2
	}
	return 0
}

// readAnswer finds the server and the address in an answer; ok is false where there is none.
func readAnswer(b []byte) (server []byte, addr [16]byte, ok bool) {
	for o, rest, more := next(b); more; o, rest, more = next(rest) {
		switch {
		case o.code == optServerID:
			server = o.data
		case o.code == optIANA && len(o.data) > 12:
			for in, rest, more := next(o.data[12:]); more; in, rest, more = next(rest) {
				if in.code == optIAAddr && len(in.data) >= 24 {
					addr, ok = [16]byte(in.data), true
				}
			}
		}
	}
	return server, addr, ok && server != nil
}

// neighbour answers the kernel's question for a guest's link-local address (RFC 4861, section 7.2).
func (l *load) neighbour(frame []byte) {
	ip := frame[etherHeader:]
	m := ip[ipv6Header:]
	if m[0] != 135 || len(m) < 24 || !netip.AddrFrom16([16]byte(ip[8:24])).IsLinkLocalUnicast() {
		return
	}
	target := [16]byte(m[8:24])
	i, ok := l.number(target)
	if !ok {
		return
	}
	mac, asker := l.mac(i), [16]byte(ip[8:24])
	room := l.room()
	copy(room, frame[6:12])
	copy(room[6:], mac[:])
	copy(room[12:], []byte{0x86, 0xdd})
	const length = 32
	putHeader(room[etherHeader:], target, asker, protoICMPv6, length)
	na := room[etherHeader+ipv6Header:][:length]
	copy(na, []byte{136, 0, 0, 0, 0x60, 0, 0, 0})
	copy(na[8:], target[:])
	copy(na[24:], []byte{2, 1})
	copy(na[26:], mac[:])
	binary.BigEndian.PutUint16(na[2:], lab.Checksum(target, asker, protoICMPv6, na))
	l.push(etherHeader + ipv6Header + length)
}

// macOf is the MAC of the guest with that number among all.
func macOf(n int) [6]byte { return [6]byte{0x06, 0xb0, 0, byte(n >> 16), byte(n >> 8), byte(n)} }

func (l *load) mac(i int) [6]byte { return macOf(l.first + i*l.stride) }

// number finds the guest by its link-local address.
func (l *load) number(a [16]byte) (int, bool) {
	n := int(a[13])<<16 | int(a[14])<<8 | int(a[15])
	i := (n - l.first) / l.stride
	return i, a == eui64(macOf(n)) && n >= l.first && (n-l.first)%l.stride == 0 && i < l.count
}

// eui64 is the link-local address that a MAC makes.
func eui64(m [6]byte) [16]byte {
	return [16]byte{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]}
}

// toGuests lets datagrams to port 546 and ICMPv6 through; offsets count from the Ethernet header.
var toGuests = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: etherHeader + 6},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: protoICMPv6, Jt: 3},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: protoUDP, Jf: 3},
	{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: etherHeader + ipv6Header + 2},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: clientPort, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0x40000},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}
