package sender

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/internal/ratest"
)

// TestScenarios replays testdata/*.txt; testdata/README names the commands. The stories prove R-6.2.6-05
// (solicited), R-6.2.7-01, R-6.2.7-02, R-6.2.7-03 and R-8781-05 (other-routers), R-6.2.4-05 and R-7772-03
// (prefix-removed, dns-removed: three advertisements within 32 s, then at the usual intervals), R-4862-02
// (prefix-removed), R-6.2.8-01 (link-flaps), R-4191-08 (stop), R-6.2.6-02 and R-7772-01 (unicast).
func TestScenarios(t *testing.T) {
	ratest.Run(t, 8, func(t *testing.T) ratest.Story {
		st := &story{sim: newSim(t, 1, DefaultConfig())}
		st.trace = st.tell
		return st
	})
}

type story struct {
	*sim
	out    strings.Builder
	latest string
}

func (st *story) Told() string {
	defer st.out.Reset()
	return st.out.String()
}

// line writes a line, with the time where it has changed.
func (st *story) line(format string, args ...any) {
	at := st.now.Sub(boot).Round(time.Millisecond).String()
	if at == st.latest {
		at = ""
	} else {
		st.latest = at
	}
	fmt.Fprintf(&st.out, "%12s  %s\n", at, fmt.Sprintf(format, args...))
}

func (st *story) tell(a Action) {
	switch a := a.(type) {
	case Send:
		st.line("send from %s to %s: %s", a.From, a.To, ra.Packet{Data: a.Data, From: a.From, HopLimit: ra.HopLimit})
	case Stopped:
		st.line("stopped")
	case Report:
		text := fmt.Sprintf("report %s: %s", strings.ToLower(a.Level.String()), a.Message)
		for _, attr := range a.Attrs {
			text += fmt.Sprintf(", %s", attr)
		}
		st.line("%s", text)
	}
}

func (st *story) Do(t *testing.T, words []string) {
	st.t = t
	rest := words[1:]
	switch words[0] {
	case "config":
		st.do(Reconfigure{Config: st.config(t, rest)})
	case "up":
		st.do(LinkUp{LinkLocal: netip.MustParseAddr(rest[0]), MTU: 1500})
	case "down":
		st.do(LinkDown{})
	case "forwarding":
		st.do(Forwarding{On: rest[0] == "on"})
	case "stop":
		st.do(Stop{Final: slices.Contains(rest, "final")})
	case "solicit":
		var mac []byte
		if len(rest) > 1 {
			mac = hostMAC
		}
		st.solicit(netip.MustParseAddr(rest[0]), mac)
	case "router":
		st.hear(rest[0], strings.Join(rest[1:], " "))
	case "storm":
		st.storm(t, rest)
	case "advance":
		st.advance(duration(t, rest[0]))
	case "dropped":
		dropped := st.e.Snapshot().Dropped
		for _, reason := range slices.Sorted(maps.Keys(dropped)) {
			st.line("dropped %d: %s", dropped[reason], reason)
		}
	default:
		t.Fatalf("no command %q", words[0])
	}
}

// config takes the words "interval D" and "unicast" before those of an advertisement.
func (st *story) config(t *testing.T, words []string) Config {
	interval, unicast := time.Duration(0), false
	if len(words) > 0 && words[0] == "interval" {
		interval, words = duration(t, words[1]), words[2:]
	}
	if len(words) > 0 && words[0] == "unicast" {
		unicast, words = true, words[1:]
	}
	c := config(t, strings.Join(words, " "))
	c.UnicastAnswers = unicast
	if interval != 0 {
		c.MaxInterval = interval
	}
	return c
}

// storm lets many hosts solicit, evenly over a time.
func (st *story) storm(t *testing.T, words []string) {
	n, err := strconv.Atoi(words[0])
	if err != nil {
		t.Fatal(err)
	}
	over := duration(t, words[1])
	for i := range n {
		st.solicit(netip.AddrFrom16([16]byte{0xfe, 0x80, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}), hostMAC)
		st.advance(over / time.Duration(n))
	}
}

func duration(t *testing.T, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
