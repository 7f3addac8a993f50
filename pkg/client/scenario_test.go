package client

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/wire"
)

var update = flag.Bool("update", false, "write what the scenarios do into their files")

// TestScenarios replays testdata/*.txt. A file is a story in blocks: comments (#), commands, a line
// "----", and what then happens up to the next empty line; testdata/README names the commands.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d scenarios, want at least 12 (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newStory(t).tell(string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(want), got); diff != "" && !*update {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// story runs one file.
type story struct {
	t     *testing.T
	s     *sim
	out   strings.Builder
	mac   []byte
	boot  string
	boots int
}

func newStory(t *testing.T) *story {
	st := &story{t: t, mac: []byte{6, 0xa0, 0xf0, 0, 0, 0x38}, boot: "boot-0"}
	st.s = newSim(t, 1)
	st.s.trace = func(format string, args ...any) {
		fmt.Fprintf(&st.out, "%12s  %s\n", rounded(st.s.now), fmt.Sprintf(format, args...))
	}
	return st
}

// tell runs the commands of a file and returns the file with what they really do.
func (st *story) tell(file string) string {
	st.t.Helper()
	var told strings.Builder
	quoting := false // within what an earlier run has written
	for line := range strings.Lines(strings.TrimRight(file, "\n") + "\n\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "----":
			quoting = true
			told.WriteString("----\n" + st.out.String())
			st.out.Reset()
		case quoting && line != "":
		case line == "":
			quoting = false
			told.WriteString("\n")
		default:
			told.WriteString(line + "\n")
			if !strings.HasPrefix(line, "#") {
				st.command(strings.Fields(line))
			}
		}
	}
	return strings.TrimRight(told.String(), "\n") + "\n"
}

func (st *story) command(args []string) {
	st.t.Helper()
	s, rest := st.s, args[1:]
	switch args[0] {
	case "config":
		st.config(rest)
	case "server":
		st.server(rest)
	case "link":
		switch rest[0] {
		case "up", "down":
			s.do(Carrier{Up: rest[0] == "up"})
		default:
			s.do(LinkChanged{Why: strings.Join(rest[1:], " ")})
		}
	case "sleep":
		s.now = s.now.Add(st.duration(rest[0]))
		s.do(LinkChanged{Why: "the machine was suspended for " + rest[0]})
	case "lose":
		s.lose = st.number(rest[0])
	case "dad":
		s.taken[netip.MustParseAddr(rest[1])] = st.number(rest[0])
	case "advance":
		s.after(st.duration(rest[0]))
	case "lease":
		s.do(LeaseNow{})
	case "release":
		s.do(ReleaseNow{})
	case "inform":
		s.do(InformNow{})
	case "prefix":
		s.do(PrefixChanged{})
	case "reconfigure":
		st.reconfigure(rest[0], rest[1], len(rest) > 2)
	case "restart":
		saved := st.reload(st.boot, s.now, s.wall.Add(time.Duration(s.now)))
		s.restart(saved)
	case "reboot":
		st.reboot(rest)
	case "show":
		st.show()
	default:
		st.t.Fatalf("no command %q", args[0])
	}
}

func (st *story) config(args []string) {
	for _, a := range args {
		switch key, value, _ := strings.Cut(a, "="); key {
		case "only":
			st.s.cfg.AcceptServer = func(id wire.DUID, _ netip.Addr) bool {
				return slices.ContainsFunc(st.s.servers, func(srv *simServer) bool { return srv.name == value && srv.duid == id })
			}
		case "start-delay":
			st.s.cfg.NoStartDelay = false
		case "no-rapid-commit":
			st.s.cfg.NoRapidCommit = true
		case "stateless":
			st.s.cfg.Stateless = true
		default:
			st.t.Fatalf("no setting %q", a)
		}
	}
	st.s.restart(nil)
}

// server changes a server, and makes it if there is none of that name.
func (st *story) server(args []string) {
	var srv *simServer
	for _, known := range st.s.servers {
		if known.name == args[0] {
			srv = known
		}
	}
	if srv == nil {
		srv = st.s.server(args[0])
	}
	for _, a := range args[1:] {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "reserves":
			srv.reserve(strings.FieldsFunc(value, func(r rune) bool { return r == ',' })...)
		case "preferred":
			srv.preferred = st.duration(value)
		case "valid":
			srv.valid = st.duration(value)
		case "t1":
			srv.t1 = st.duration(value)
		case "t2":
			srv.t2 = st.duration(value)
		case "infinite":
			srv.infinite()
		case "preference":
			srv.preference = uint8(st.number(value))
		case "rapid":
			srv.rapid = true
		case "silent":
			srv.silent = true
		case "speaks":
			srv.silent = false
		case "forgets":
			clear(srv.given)
		case "delay":
			srv.delay = st.duration(value)
		case "dns":
			srv.dns = nil
			if value != "" {
				srv.dns = []netip.Addr{netip.MustParseAddr(value)}
			}
		case "key":
			srv.key = []byte("0123456789abcdef")
		case "normal":
			clear(srv.fails)
		default: // Renew=NoBinding
			srv.fails[st.messageType(key)] = st.status(value)
		}
	}
}

func (st *story) messageType(n string) dhcpv6.MessageType {
	for t := range dhcpv6.MessageType(14) {
		if name(t) == n {
			return t
		}
	}
	st.t.Fatalf("no message or property %q", n)
	return 0
}

func (st *story) status(n string) iana.StatusCode {
	for c := range iana.StatusCode(7) {
		if c.String() == n {
			return c
		}
	}
	st.t.Fatalf("no status %q", n)
	return 0
}

func (st *story) number(v string) int {
	n, err := strconv.Atoi(v)
	if err != nil {
		st.t.Fatal(err)
	}
	return n
}

func (st *story) duration(v string) time.Duration {
	if v == "infinite" {
		return wire.Infinite
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		st.t.Fatal(err)
	}
	return d
}

// reconfigure lets a server send a Reconfigure, signed with its key, or badly.
func (st *story) reconfigure(server, wanted string, forged bool) {
	for _, srv := range st.s.servers {
		if srv.name == server {
			srv.replay++
			ev := st.s.reconfigure(srv, st.messageType(wanted), srv.replay)
			if forged {
				ev.Raw[len(ev.Raw)-1] ^= 1
			}
			st.s.deliver(ev)
		}
	}
}

// reconfigure is a Reconfigure of a server.
func (s *sim) reconfigure(srv *simServer, wanted dhcpv6.MessageType, replay uint64) Received {
	s.t.Helper()
	m := &wire.Message{
		Type: dhcpv6.MessageTypeReconfigure, ClientID: s.cfg.DUID, ServerID: srv.duid, ReconfigureMessage: wanted,
		Auth: &wire.Auth{Protocol: 3, Algorithm: 1, Replay: replay, Info: append([]byte{2}, make([]byte, 16)...)},
	}
	b, err := m.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	mac := hmac.New(md5.New, srv.key)
	mac.Write(b)
	at := bytes.LastIndex(b, make([]byte, 16))
	copy(b[at:], mac.Sum(nil))
	return s.datagram(srv.from, b)
}

// reload takes the saved lease through its file's form to another moment.
func (st *story) reload(boot string, now clock.Instant, wall time.Time) *Lease {
	st.t.Helper()
	if st.s.saved == nil {
		return nil
	}
	dir := st.t.TempDir()
	there := Boot{ID: st.boot, Now: st.s.now, Wall: st.s.wall.Add(time.Duration(st.s.now))}
	if err := SaveLease(dir, link.Key{MAC: st.mac}, st.s.saved, there); err != nil {
		st.t.Fatal(err)
	}
	l, err := LoadLease(dir, link.Key{MAC: st.mac}, Boot{ID: boot, Now: now, Wall: wall})
	if err != nil {
		st.t.Fatal(err)
	}
	return l
}

// reboot makes a new boot after some time; "clock=1970" gives it a clock that knows nothing.
func (st *story) reboot(args []string) {
	st.t.Helper()
	s := st.s
	wall := s.wall.Add(time.Duration(s.now)).Add(st.duration(args[0]))
	if len(args) > 1 {
		wall = time.Unix(0, 0)
	}
	uptime := clock.Instant(10 * time.Second)
	st.boots++
	boot := fmt.Sprintf("boot-%d", st.boots)
	saved := st.reload(boot, uptime, wall)
	clear(s.nic)
	clear(s.usable)
	st.boot, s.wall, s.now = boot, wall.Add(-time.Duration(uptime)), uptime
	s.restart(saved)
}

// show tells how things stand.
func (st *story) show() {
	s := st.s
	sn := s.engine.Snapshot()
	fmt.Fprintf(&st.out, "%12s  stands: %s, T1 %s, T2 %s", rounded(s.now), sn.State, rounded(sn.T1), rounded(sn.T2))
	for _, a := range sn.Addresses {
		p, v := a.Lifetimes(s.now)
		fmt.Fprintf(&st.out, ", %s for %s/%s", a.Addr, life(p), life(v))
	}
	if sn.LastError != nil {
		fmt.Fprintf(&st.out, ", last error: %v", sn.LastError)
	}
	fmt.Fprintln(&st.out)
}

// rounded is a moment to the millisecond.
func rounded(at clock.Instant) string {
	if at == clock.Never {
		return "never"
	}
	return time.Duration(at).Round(time.Millisecond).String()
}

func hmacMD5(key, b []byte) []byte {
	mac := hmac.New(md5.New, key)
	mac.Write(b)
	return mac.Sum(nil)
}
