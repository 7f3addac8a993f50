package hosts

import (
	"errors"
	"hash/maphash"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
)

// Quiet is how long nobody may have written to a file before a line that is gone counts (decision 9 of
// the design): scripts append, copy in pieces, and empty a file before they fill it.
const Quiet = 2 * time.Second

// An Event is what happened to the files; Tracker.Step takes it.
type Event interface{ event() }

type (
	// Modified says that the file was made or written to; more may follow.
	Modified struct{ File string }
	// Touched says that the file must be read anew, although nobody need have written to it.
	Touched struct{ File string }
	// Closed says that somebody who wrote to the file closed it, or renamed another one to its name.
	Closed struct{ File string }
	// Gone says that the file was removed or renamed. Final says that this is how lines are taken out, as
	// in a folder; else the file is awaited again and its lines stay.
	Gone struct {
		File  string
		Final bool
	}
	// Content answers a Read: the file's whole text, or the error.
	Content struct {
		File string
		Text string
		Err  error
		Took time.Duration // reading it; parsing takes several times as long
	}
	// Reread says that these files are all there are and that each counts as it stands: at the start, and
	// when the operator says so. Unless All is set, files that are not listed keep their lines.
	Reread struct {
		Files []string
		All   bool
	}
	// Expired says that the moment of Tracker.Deadline has come.
	Expired struct{}
)

func (Modified) event() {}
func (Touched) event()  {}
func (Closed) event()   {}
func (Gone) event()     {}
func (Content) event()  {}
func (Reread) event()   {}
func (Expired) event()  {}

// An Action is what must now be done: Read or Update.
type Action interface{ action() }

type (
	// Read asks for the text of the file, as a Content event.
	Read struct{ File string }
	// Update says what is in force from now on.
	Update struct {
		Index *Index
		// Problems are all that are known of the files as they stand.
		Problems []Problem
	}
)

func (Read) action()   {}
func (Update) action() {}

// A Tracker decides which lines of the files are in force. What a file says now always holds; a line
// that it does not say any more holds on until the file was closed or renamed into place, ends with a
// newline or is empty, and was left alone for Quiet. A line without its newline at the end may be half a
// line: it holds once the file was left alone, too. The zero Tracker is ready for use.
type Tracker struct {
	files map[string]*file
	seed  maphash.Seed

	now     clock.Instant
	late    bool // something has happened that is not told yet: who knows which file was left alone?
	out     []Action
	changed bool

	// whole is the index that was built of all lines but those that were added to the files since (file.late);
	// nil where one must be built. Conflicts are those of its lines.
	whole     *Index
	conflicts []Problem
}

// A file is what is known of one.
type file struct {
	name    string
	present []Host   // what it says
	late    [][]Host // what it says besides: lines that were added at its end since it was parsed whole
	indexed int      // how many of late are in the whole index
	held    []Host   // what it said, and does not say any more since its writer may be at work
	parsed  []Problem
	failed  error // of the last reading
	known   bool  // it has been read, or it could not be

	size  int    // of the text that present and late were made of
	sum   uint64 // likewise
	end   int    // of its last whole line
	lines int    // up to there
	upTo  uint64 // the sum up to there

	tail     string // the line at the end that has no newline yet
	tailLine int
	tailIn   bool // it is part of present

	written   clock.Instant // when it was last written to
	notBefore clock.Instant // when it may be read again
	open      bool          // written to and not closed since
	stale     bool          // written to and not read since
	reading   bool          // a Read is under way
	force     bool          // its next text counts as it stands
	busy      bool          // something is still to be decided when it has been left alone
	removed   bool          // it is not there any more, and its lines go when it has been left alone
}

// Step takes what happened and when, and returns what must now be done, in order. The slice is the
// tracker's until the next Step.
func (t *Tracker) Step(now clock.Instant, ev Event) []Action {
	t.now, t.out = now, t.out[:0]
	if t.files == nil {
		t.files, t.seed = map[string]*file{}, maphash.MakeSeed()
	}
	switch ev := ev.(type) {
	case Modified:
		t.touch(ev.File).open = true
	case Touched:
		t.touch(ev.File)
	case Closed:
		t.touch(ev.File).open = false
	case Gone:
		t.gone(ev)
	case Content:
		t.content(ev)
	case Reread:
		t.reread(ev)
	}
	for _, name := range t.names() {
		t.advance(t.files[name])
	}
	if t.changed && !t.rereading() {
		t.changed = false
		t.out = append(t.out, t.update())
	}
	return t.out
}

// rereading reports whether some file that Reread named is still to be read: until then what is in
// force stays as it was.
func (t *Tracker) rereading() bool {
	for _, f := range t.files {
		if f.force {
			return true
		}
	}
	return false
}

// Deadline is when the tracker wants an Expired event, clock.Never if it waits for none.
func (t *Tracker) Deadline() clock.Instant {
	first := clock.Never
	for _, f := range t.files {
		if f.stale && !f.reading {
			first = min(first, f.notBefore)
		}
		if f.busy && !f.open {
			first = min(first, f.written.Add(Quiet))
		}
	}
	return first
}

func (t *Tracker) names() []string {
	names := make([]string, 0, len(t.files))
	for name := range t.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// touch notes that the file was written to.
func (t *Tracker) touch(name string) *file {
	f := t.files[name]
	if f == nil {
		f = &file{name: name}
		t.files[name] = f
	}
	f.stale, f.busy, f.written, f.removed = true, true, t.now, false
	return f
}

// gone handles a file that is not there any more.
func (t *Tracker) gone(ev Gone) {
	f := t.files[ev.File]
	switch {
	case f == nil, ev.Final && f.removed:
	case !ev.Final:
		t.touch(ev.File).open = false // reading it tells that it is missing
	default:
		*f = file{name: f.name, held: slices.Concat(append([][]Host{f.held}, f.lists()...)...), busy: true, removed: true, written: t.now}
		t.changed, t.whole = true, nil
	}
}

func (t *Tracker) reread(ev Reread) {
	t.changed = true
	for _, name := range ev.Files {
		f := t.touch(name)
		f.open, f.force, f.notBefore = false, true, t.now
	}
	for name := range t.files {
		if ev.All && !slices.Contains(ev.Files, name) {
			delete(t.files, name)
			t.whole = nil
		}
	}
}

// content takes in what was read.
func (t *Tracker) content(ev Content) {
	f := t.files[ev.File]
	if f == nil {
		return
	}
	f.reading = false
	f.notBefore = t.now.Add(min(8*ev.Took, Quiet))
	if errors.Is(ev.Err, fs.ErrNotExist) && !f.known && !f.force {
		delete(t.files, f.name) // a temporary one, as sed -i makes beside a file of a folder
		return
	}
	f.known = true
	if ev.Err != nil {
		if f.failed == nil || f.failed.Error() != ev.Err.Error() {
			t.changed = true
		}
		f.failed, f.force, f.busy = ev.Err, false, false
		return
	}
	sum := maphash.String(t.seed, ev.Text)
	if f.failed != nil || f.size != len(ev.Text) || f.sum != sum {
		f.failed, f.size, f.sum = nil, len(ev.Text), sum
		t.parse(f, ev.Text)
	}
	if f.force && !f.stale {
		f.force = false
		t.takeTail(f)
		t.settle(f)
	}
}

// lists are what the file says.
func (f *file) lists() [][]Host { return append([][]Host{f.present}, f.late...) }

// parse makes hosts of the file's text, but for a line without its end.
func (t *Tracker) parse(f *file, text string) {
	t.changed = true
	end := strings.LastIndexByte(text, '\n') + 1
	if !t.parseMore(f, text, end) {
		before := f.lists()
		f.present, f.parsed = Parse(f.name, text[:end])
		f.held = append(missing([][]Host{f.held}, f.present), missing(before, f.present)...)
		f.late, f.indexed, f.lines, t.whole = nil, 0, strings.Count(text[:end], "\n"), nil
	}
	f.end, f.upTo = end, maphash.String(t.seed, text[:end])
	f.tail, f.tailIn = strings.Clone(text[end:min(len(text), end+maxLine+1)]), false
	f.tailLine = f.lines + 1
}

// parseMore parses the lines that were added to a text at its end, and reports whether that is all that has changed.
func (t *Tracker) parseMore(f *file, text string, end int) bool {
	if f.force || f.tailIn || len(f.held) > 0 || f.end == 0 || end < f.end || maphash.String(t.seed, text[:f.end]) != f.upTo {
		return false
	}
	more, problems := parseFrom(f.name, text[f.end:end], f.lines+1)
	if len(f.parsed)+len(problems) > MaxProblems {
		return false // they are counted together
	}
	f.lines += strings.Count(text[f.end:end], "\n")
	f.parsed = append(f.parsed, problems...)
	if len(more) > 0 {
		f.late = append(f.late, more)
	}
	return true
}

// takeTail adds the line that has no newline.
func (t *Tracker) takeTail(f *file) {
	if f.tail == "" || f.tailIn {
		return
	}
	last, problems := parseFrom(f.name, f.tail, f.tailLine)
	f.tailIn, t.changed = true, true
	f.late, f.parsed = append(f.late, last), append(f.parsed, problems...)
}

// settle lets the lines go that the file does not say any more.
func (t *Tracker) settle(f *file) {
	if len(f.held) > 0 {
		t.whole = nil
	}
	f.busy, f.held, t.changed = false, nil, true
}

// advance does what is due for a file.
func (t *Tracker) advance(f *file) {
	if f.stale && !f.reading && !t.now.Before(f.notBefore) {
		f.stale, f.reading = false, true
		t.out = append(t.out, Read{f.name})
	}
	if t.late || !f.busy || f.open || f.stale || f.reading || t.now.Before(f.written.Add(Quiet)) {
		return
	}
	f.busy = false
	if f.tail != "" {
		t.takeTail(f) // and what is gone waits for a newline
		return
	}
	t.settle(f)
	if f.removed {
		delete(t.files, f.name)
	}
}

// update makes the index, and tells what is known of the files.
func (t *Tracker) update() Update {
	x, conflicts := t.index()
	var problems []Problem
	for _, name := range t.names() {
		f := t.files[name]
		problems = append(problems, f.parsed...)
		if f.failed != nil {
			problems = append(problems, Problem{File: name, Unread: true, Err: f.failed})
		}
		if f.tailIn && len(f.held) > 0 {
			problems = append(problems, Problem{File: name, Line: f.tailLine, Warning: true, Err: errNoNewline})
		}
	}
	return Update{Index: x, Problems: append(problems, conflicts...)}
}

// index is that of all lines that hold, and its conflicts. Where lines were only added, the others are not looked at.
func (t *Tracker) index() (*Index, []Problem) {
	if t.whole != nil {
		var late [][]Host
		for _, name := range t.names() {
			late = append(late, t.files[name].late[t.files[name].indexed:]...)
		}
		if len(late) == 0 {
			return t.whole, t.conflicts
		}
		if x := t.whole.with(late); x != nil {
			return x, t.conflicts
		}
	}
	return t.build()
}

// build makes an index of everything: lines that are gone but still hold come first, so that any present line that
// speaks of the same client or address wins.
func (t *Tracker) build() (*Index, []Problem) {
	var held, present [][]Host
	settled := true
	for _, name := range t.names() {
		f := t.files[name]
		held, present = append(held, f.held), append(present, f.lists()...)
		f.indexed = len(f.late)
		settled = settled && len(f.held) == 0
	}
	x := Build(slices.Concat(held, present)...)
	if t.whole, t.conflicts = nil, nil; settled {
		t.whole, t.conflicts = x, x.conflicts()
	}
	return x, t.conflicts
}

// missing returns the hosts of before whose lines are not in now. It is made for the usual case, in which
// lines were only added at the end.
func missing(before [][]Host, now []Host) []Host {
	var lines map[uint64]bool
	var out []Host
	same := 0 // in the same place
	for _, list := range before {
		for i := range list {
			h := &list[i]
			if lines == nil {
				if same < len(now) && now[same].sum == h.sum {
					same++
					continue
				}
				lines = make(map[uint64]bool, len(now))
				for j := range now {
					lines[now[j].sum] = true
				}
			}
			if !lines[h.sum] {
				out = append(out, *h)
			}
		}
	}
	return out
}
