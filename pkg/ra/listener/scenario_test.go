package listener

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

// TestScenarios replays testdata/*.txt; testdata/README names the commands.
func TestScenarios(t *testing.T) {
	ratest.Run(t, 8, func(t *testing.T) ratest.Story {
		st := &story{sim: newSim(t, 1)}
		st.trace = st.note
		return st
	})
}

type story struct {
	*sim
	out   strings.Builder
	last  string
	quiet bool // leave out what is told
}

func (st *story) Told() string {
	defer st.out.Reset()
	return st.out.String()
}

// line writes a line, with the time where it has changed.
func (st *story) line(format string, args ...any) {
	at := st.now.Sub(boot).Round(time.Millisecond).String()
	if at == st.last {
		at = ""
	} else {
		st.last = at
	}
	fmt.Fprintf(&st.out, "%12s  %s\n", at, fmt.Sprintf(format, args...))
}

func (st *story) note(a Action) {
	switch a := a.(type) {
	case Solicit:
		st.line("send from %s: %s", a.From, ra.Packet{Data: a.Data, From: a.From, HopLimit: ra.HopLimit})
	case Changed:
		if st.quiet {
			break
		}
		st.line("tell")
		for _, l := range lines(a.Snapshot) {
			fmt.Fprintf(&st.out, "%12s    %s\n", "", l)
		}
	case Report:
		text := fmt.Sprintf("report %s: %s", strings.ToLower(a.Level.String()), a.Message)
		for _, attr := range a.Attrs {
			text += fmt.Sprintf(", %s", attr)
		}
		st.line("%s", text)
	}
}

func (st *story) Do(t *testing.T, words []string) {
	rest := words[1:]
	switch words[0] {
	case "up":
		st.do(LinkUp{LinkLocal: netip.MustParseAddr(rest[0]), NoDelay: slices.Contains(rest, "at-once")})
	case "down":
		st.do(LinkDown{})
	case "pin":
		st.e.cfg.Accept = func(from netip.Addr) bool { return slices.Contains(rest, from.String()) }
	case "solicit":
		st.do(SolicitNow{})
	case "addresses":
		var held []netip.Addr
		for _, w := range rest {
			held = append(held, netip.MustParseAddr(w))
		}
		st.do(Addresses{Held: held})
	case "router":
		st.t = t
		st.hear(rest[0], strings.Join(rest[1:], " "))
	case "storm":
		st.storm(t, rest)
	case "advance":
		d, err := time.ParseDuration(rest[0])
		if err != nil {
			t.Fatal(err)
		}
		st.advance(d)
	case "show":
		for _, l := range lines(st.e.Snapshot()) {
			st.line("%s", l)
		}
	case "dropped":
		dropped := st.e.Snapshot().Dropped
		for _, reason := range slices.Sorted(maps.Keys(dropped)) {
			st.line("dropped %d: %s", dropped[reason], reason)
		}
	default:
		t.Fatalf("no command %q", words[0])
	}
}

// storm lets the same advertisement come from many routers, or with many prefixes. Only what is
// reported stands in the trace, and how often something was told.
func (st *story) storm(t *testing.T, words []string) {
	told := len(st.told)
	st.quiet = true
	defer func() {
		st.quiet = false
		st.line("told %d times", len(st.told)-told)
	}()
	n, err := strconv.Atoi(words[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		text, from := strings.Join(words[3:], " "), words[2]
		switch words[1] {
		case "routers":
			from = fmt.Sprintf("%s%x", from, i+1)
		case "prefixes":
			text = fmt.Sprintf("prefix 2001:db8:%x::/64=L 1h 1h %s", 0x1000+i, text)
		case "times":
		default:
			t.Fatalf("storm of %q", words[1])
		}
		st.hear(from, text)
	}
}
