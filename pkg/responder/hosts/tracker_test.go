package hosts_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
)

// line is a hosts line for the machine with that number.
func line(n int) string {
	return fmt.Sprintf("06:a0:f0:00:00:%02x,[2001:db8::%x],vm-%d\n", n, n, n)
}

// A world is a hosts file, a tracker that follows it, and what holds.
type world struct {
	t       *testing.T
	tracker hosts.Tracker
	now     clock.Instant
	text    string
	err     error

	index    *hosts.Index
	problems []hosts.Problem
	updates  int
	reads    int
}

func newWorld(t *testing.T, text string) *world {
	w := &world{t: t, text: text}
	w.step(hosts.Reread{Files: []string{"f"}, All: true})
	return w
}

func (w *world) step(ev hosts.Event) {
	w.t.Helper()
	queue := []hosts.Event{ev}
	for ; len(queue) > 0; queue = queue[1:] {
		for _, a := range w.tracker.Step(w.now, queue[0]) {
			switch a := a.(type) {
			case hosts.Read:
				w.reads++
				queue = append(queue, hosts.Content{File: a.File, Text: w.text, Err: w.err})
			case hosts.Update:
				w.index, w.problems = a.Index, a.Problems
				w.updates++
			}
		}
	}
}

// write appends or replaces the text, as one write(2).
func (w *world) write(text string) {
	w.text = text
	w.step(hosts.Modified{File: "f"})
}

func (w *world) closed() { w.step(hosts.Closed{File: "f"}) }

// wait lets time pass, stepping at every deadline.
func (w *world) wait(d time.Duration) {
	end := w.now.Add(d)
	for at := w.tracker.Deadline(); !end.Before(at); at = w.tracker.Deadline() {
		w.now = max(w.now, at)
		w.step(hosts.Expired{})
	}
	w.now = end
}

// holds checks which machines have their address.
func (w *world) holds(want ...int) {
	w.t.Helper()
	var got []int
	for n := range 30 {
		for h := range w.index.ByMAC(hosts.MAC{6, 0xa0, 0xf0, 0, 0, byte(n)}) {
			if w.index.Owner(h.Addrs()[0]) == h {
				got = append(got, n)
				break
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("at %s, machines with an address (-want +got):\n%s", w.now, diff)
	}
}

func TestAdditionsHoldAtOnce(t *testing.T) {
	w := newWorld(t, line(1))
	w.holds(1)
	w.write(line(1) + line(2))
	w.holds(1, 2)
	w.closed()
	w.wait(time.Hour)
	w.holds(1, 2)
}

// TestAFileThatSaysTheSameIsNotParsedAgain: a reload of a million lines takes no memory for them a second time.
func TestAFileThatSaysTheSameIsNotParsedAgain(t *testing.T) {
	w := newWorld(t, line(1)+strings.TrimSuffix(line(2), "\n"))
	owner := func() *hosts.Host { return w.index.Owner(netip.MustParseAddr("2001:db8::1")) }
	before := owner()
	w.step(hosts.Reread{Files: []string{"f"}, All: true})
	w.holds(1, 2)
	if w.updates != 2 || owner() != before {
		t.Errorf("%d updates, want 2; the host was %p and is %p", w.updates, before, owner())
	}
	w.write(line(2) + line(1))
	if owner() == before {
		t.Error("a file that says something else is not parsed")
	}
}

func TestAChangedReservationHoldsAtOnce(t *testing.T) {
	w := newWorld(t, line(1)+line(2))
	// Machine 3 gets machine 1's address, by a line at the end; machine 1 has none any more.
	w.write(line(1) + line(2) + "06:a0:f0:00:00:03,[2001:db8::1]\n")
	w.holds(2, 3)
}

func TestALineThatIsGoneHoldsUntilTheWriterIsDone(t *testing.T) {
	t.Run("truncated and filled again, as sed -i without rename or a script does", func(t *testing.T) {
		w := newWorld(t, line(1)+line(2)+line(3))
		w.write("")
		w.holds(1, 2, 3)
		w.wait(time.Hour) // the writer takes its time: the file is still open
		w.holds(1, 2, 3)
		w.write(line(1))
		w.holds(1, 2, 3)
		w.write(line(1) + line(3))
		w.closed()
		w.holds(1, 2, 3)
		w.wait(hosts.Quiet - 1)
		w.holds(1, 2, 3)
		w.wait(1)
		w.holds(1, 3)
	})
	t.Run("renamed into place, as sed -i does", func(t *testing.T) {
		w := newWorld(t, line(1)+line(2))
		w.text = line(2) + line(4)
		w.closed()
		w.holds(1, 2, 4)
		w.wait(hosts.Quiet)
		w.holds(2, 4)
	})
	t.Run("an empty file counts likewise", func(t *testing.T) {
		w := newWorld(t, line(1))
		w.write("")
		w.closed()
		w.wait(hosts.Quiet - 1)
		w.holds(1)
		w.wait(1)
		w.holds()
	})
	t.Run("each write begins the two seconds anew", func(t *testing.T) {
		w := newWorld(t, line(1)+line(2))
		for range 10 {
			w.write(line(2))
			w.closed()
			w.wait(hosts.Quiet - 1)
			w.holds(1, 2)
		}
	})
	t.Run("written twice within the two seconds", func(t *testing.T) {
		w := newWorld(t, "")
		w.write(line(1))
		w.closed()
		w.write(line(2))
		w.closed()
		w.write(line(3))
		w.closed()
		w.holds(1, 2, 3)
		w.wait(hosts.Quiet)
		w.holds(3)
	})
	t.Run("without a newline at the end nothing goes", func(t *testing.T) {
		w := newWorld(t, line(1)+line(2)+line(3))
		w.write(line(1) + "06:a0:f0:00:00:04,[2001:db8::4]")
		w.closed()
		w.holds(1, 2, 3)
		w.wait(time.Hour)
		w.holds(1, 2, 3, 4) // the last line was left alone long enough to be whole
		w.write(line(1) + line(4))
		w.closed()
		w.wait(hosts.Quiet)
		w.holds(1, 4)
	})
	t.Run("a removed file is awaited again", func(t *testing.T) {
		w := newWorld(t, line(1))
		w.err = errors.New("no such file")
		w.step(hosts.Gone{File: "f"})
		w.wait(time.Hour)
		w.holds(1)
		w.err = nil
		w.text = line(2)
		w.closed()
		w.wait(hosts.Quiet)
		w.holds(2)
	})
	t.Run("a file of a folder that is removed counts when the folder was left alone", func(t *testing.T) {
		w := newWorld(t, line(1))
		w.step(hosts.Gone{File: "f", Final: true})
		w.wait(hosts.Quiet - 1)
		w.holds(1)
		w.wait(1)
		w.holds()
	})
}

func TestHalfALineIsNotTaken(t *testing.T) {
	w := newWorld(t, line(1))
	w.write(line(1) + "06:a0:f0:00:00:02,[2001:db8::2],vm-2,set:nonde")
	w.holds(1)
	w.write(line(1) + "06:a0:f0:00:00:02,[2001:db8::2],vm-2,set:nondefault6\n")
	w.holds(1, 2)
}

func TestRereadCountsAtOnce(t *testing.T) {
	w := newWorld(t, line(1)+line(2))
	w.text = strings.TrimSuffix(line(2), "\n")
	w.step(hosts.Reread{Files: []string{"f"}})
	w.holds(2)
}

func TestAnUnreadableFileChangesNothing(t *testing.T) {
	w := newWorld(t, line(1))
	w.err = errors.New("cannot be read: permission denied")
	w.write("")
	w.closed()
	w.wait(time.Hour)
	w.holds(1)
	w.step(hosts.Reread{Files: []string{"f"}, All: true})
	w.holds(1)
	if w.updates == 0 {
		t.Error("nobody is told that the file cannot be read")
	}
}

func TestNothingIsInForceBeforeAllFilesAreRead(t *testing.T) {
	var tracker hosts.Tracker
	actions := tracker.Step(0, hosts.Reread{Files: []string{"a", "b"}, All: true})
	if diff := cmp.Diff([]hosts.Action{hosts.Read{File: "a"}, hosts.Read{File: "b"}}, actions); diff != "" {
		t.Fatalf("actions (-want +got):\n%s", diff)
	}
	if actions = tracker.Step(0, hosts.Content{File: "a", Text: line(1)}); len(actions) != 0 {
		t.Errorf("after the first of two files: %v", actions)
	}
	actions = tracker.Step(0, hosts.Content{File: "b", Text: line(2)})
	if u, ok := actions[0].(hosts.Update); !ok || u.Index.Len() != 2 {
		t.Errorf("after the second: %v", actions)
	}
	if actions = tracker.Step(0, hosts.Reread{All: true}); len(actions) != 1 {
		t.Errorf("an empty folder: %v", actions)
	}
}

func TestAStormOfWritesIsReadInPieces(t *testing.T) {
	var tracker hosts.Tracker
	tracker.Step(0, hosts.Reread{Files: []string{"f"}, All: true})
	tracker.Step(0, hosts.Content{File: "f", Took: 50 * time.Millisecond}) // a long file
	reads := 0
	for now := clock.Instant(0); now < clock.Instant(10*time.Second); now = now.Add(time.Millisecond) {
		for _, ev := range []hosts.Event{hosts.Modified{File: "f"}, hosts.Expired{}} {
			for _, a := range tracker.Step(now, ev) {
				if _, ok := a.(hosts.Read); ok {
					reads++
					tracker.Step(now, hosts.Content{File: "f", Text: fmt.Sprint(now, "\n"), Took: 50 * time.Millisecond})
				}
			}
		}
	}
	if reads < 20 || reads > 26 {
		t.Errorf("%d reads in 10 s of writing, want about 25: a ninth of the time", reads)
	}
}

// TestATemporaryFileIsNoProblem: it is gone before it is read. One that was named is missed all the same.
func TestATemporaryFileIsNoProblem(t *testing.T) {
	missing := fmt.Errorf("cannot be read: %w", fs.ErrNotExist)
	w := newWorld(t, line(1))
	w.err = missing
	w.step(hosts.Modified{File: "sedXYZ"})
	if w.step(hosts.Closed{File: "sedXYZ"}); w.updates != 1 || len(w.problems) != 0 {
		t.Errorf("%d updates, problems %v", w.updates, w.problems)
	}
	w.wait(time.Minute)
	w.holds(1)
	w.step(hosts.Modified{File: "f"})
	w.wait(time.Minute)
	if w.holds(1); len(w.problems) != 1 {
		t.Errorf("problems %v", w.problems)
	}
}

// TestALineOfManyCostsNoMoreThanOneOfFew: a file is read in time that grows with its length, and a million lines leave no
// millions of objects that the collector must look at.
func TestALineOfManyCostsNoMoreThanOneOfFew(t *testing.T) {
	cost := func(n int) (bytes, objects float64) {
		text := million(n)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		w := newWorld(t, text)
		runtime.GC()
		runtime.ReadMemStats(&after)
		if w.index.Len() != n {
			t.Errorf("%d hosts", w.index.Len())
		}
		return float64(after.TotalAlloc-before.TotalAlloc) / float64(n), (float64(after.HeapObjects) - float64(before.HeapObjects)) / float64(n)
	}
	few, _ := cost(10_000)
	many, objects := cost(200_000)
	if many > 1.2*few || many > 400 || objects > 0.1 {
		t.Errorf("a line of 10,000 takes %.0f bytes, one of 200,000 %.0f and %.3f objects", few, many, objects)
	}
}

// TestAnAppendedLineCostsTheSameWhateverTheirNumber: the lines before it are neither parsed nor indexed again.
func TestAnAppendedLineCostsTheSameWhateverTheirNumber(t *testing.T) {
	cost := func(n int) (bytes uint64) {
		w := newWorld(t, million(n))
		text := w.text + "06:ff:00:00:00:01,[2001:db8:1::1],late\n"
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w.write(text)
		w.closed()
		w.wait(time.Minute)
		runtime.ReadMemStats(&after)
		if w.index.Len() != n+1 || w.index.Owner(netip.MustParseAddr("2001:db8:1::1")) == nil {
			t.Errorf("%d hosts, want %d", w.index.Len(), n+1)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	few, many := cost(1000), cost(50_000)
	if most := few + 16<<10; many > most || few > 128<<10 {
		t.Errorf("an appended line takes %d bytes of heap beside 1,000, %d beside 50,000", few, many)
	}
}

// TestWhatFollowsAFileKnowsWhatAFirstLookKnows, whatever is done to the file, and in which pieces.
func TestWhatFollowsAFileKnowsWhatAFirstLookKnows(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t, someLines(random, random.IntN(10)))
		for range 40 {
			switch random.IntN(8) {
			case 0:
				w.write(someLines(random, random.IntN(10)))
			case 1:
				w.write(w.text + strings.TrimSuffix(someLines(random, 1), "\n"))
			case 2:
				w.write(w.text + "not a line\n06:a0:f0:00:00:99,[ff02::1]\n")
			default: // most are of nobody else
				more := fmt.Sprintf("06:a1:00:00:%02x:%02x,[2001:db8:4::%x]\n", random.IntN(250), random.IntN(250), 1+random.IntN(9999))
				if random.IntN(4) == 0 {
					more = someLines(random, 1+random.IntN(2))
				}
				w.write(w.text + more)
			}
			if random.IntN(2) == 0 {
				w.closed()
				w.wait(time.Duration(random.IntN(4)) * time.Second)
			}
		}
		w.write(w.text + "\n") // what has no newline at its end takes nothing out
		w.closed()
		w.wait(time.Minute)
		first := newWorld(t, w.text)
		if diff := cmp.Diff(knows(first), knows(w)); diff != "" {
			t.Fatalf("seed %d (-first look +followed):\n%s\n%s", seed, diff, w.text)
		}
	}
}

// knows is what an index says of each client and address that stands in it, and what is wrong with the lines.
func knows(w *world) map[string]string {
	out := map[string]string{}
	for h := range w.index.All() {
		for _, m := range h.MACs() {
			out[m.String()] = ""
			for o := range w.index.ByMAC(m) {
				out[m.String()] += fmt.Sprint(o.Where(), o.Spelt(), " ")
			}
		}
		for _, d := range h.DUIDs() {
			out[d.String()] = ""
			for o := range w.index.ByDUID(d) {
				out[d.String()] += fmt.Sprint(o.Where(), " ")
			}
		}
		for _, a := range h.Addrs() {
			out[a.String()] = w.index.Owner(a).Where()
		}
	}
	for _, p := range w.problems {
		out["problem "+p.String()] += "x"
	}
	out["hosts"] = fmt.Sprint(w.index.Len())
	return out
}
