package hosts

import (
	"hash/maphash"
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
	out     []Action
	changed bool
}

// A file is what is known of one.
type file struct {
	name    string
	present []Host // what it says
	held    []Host // what it said, and does not say any more since its writer may be at work
	parsed  []Problem
	failed  error // of the last reading

	size int    // of the text that present was made of
	sum  uint64 // likewise

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
		*f = file{name: f.name, held: append(f.held, f.present...), busy: true, removed: true, written: t.now}
		t.changed = true
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
	if ev.Err != nil {
		if f.failed == nil || f.failed.Error() != ev.Err.Error() {
			t.changed = true
		}
		f.failed, f.force, f.busy = ev.Err, false, false
		return
	}
	sum := maphash.String(t.seed, ev.Text)
	if f.failed != nil || f.force || f.size != len(ev.Text) || f.sum != sum {
		f.failed, f.size, f.sum = nil, len(ev.Text), sum
		t.parse(f, ev.Text)
	}
	if f.force && !f.stale {
		f.force = false
		t.takeTail(f)
		t.settle(f)
	}
}

// parse makes the file's present hosts of its text, but for a line without its end.
func (t *Tracker) parse(f *file, text string) {
	end := strings.LastIndexByte(text, '\n') + 1
	before := f.present
	f.present, f.parsed = Parse(f.name, text[:end])
	f.held = append(missing(f.held, f.present), missing(before, f.present)...)
	f.tail, f.tailIn = strings.Clone(text[end:min(len(text), end+maxLine+1)]), false
	if f.tail != "" {
		f.tailLine = strings.Count(text, "\n") + 1
	}
	t.changed = true
}

// takeTail adds the line that has no newline.
func (t *Tracker) takeTail(f *file) {
	if f.tail == "" || f.tailIn {
		return
	}
	last, problems := parseFrom(f.name, f.tail, f.tailLine)
	f.tailIn = true
	f.present, f.parsed = append(slices.Clip(f.present), last...), append(f.parsed, problems...)
	t.changed = true
}

// settle lets the lines go that the file does not say any more.
func (t *Tracker) settle(f *file) {
	f.busy, f.held = false, nil
	t.changed = true
}

// advance does what is due for a file.
func (t *Tracker) advance(f *file) {
	if f.stale && !f.reading && !t.now.Before(f.notBefore) {
		f.stale, f.reading = false, true
		t.out = append(t.out, Read{f.name})
	}
	if !f.busy || f.open || f.stale || f.reading || t.now.Before(f.written.Add(Quiet)) {
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

// update builds the index: lines that are gone but still hold come first, so that any present line that
// speaks of the same client or address wins.
func (t *Tracker) update() Update {
	var held, present [][]Host
	var problems []Problem
	settled := true
	for _, name := range t.names() {
		f := t.files[name]
		held, present = append(held, f.held), append(present, f.present)
		settled = settled && len(f.held) == 0
		problems = append(problems, f.parsed...)
		if f.failed != nil {
			problems = append(problems, Problem{File: name, Unread: true, Err: f.failed})
		}
		if f.tailIn && len(f.held) > 0 {
			problems = append(problems, Problem{File: name, Line: f.tailLine, Warning: true, Err: errNoNewline})
		}
	}
	x := Build(slices.Concat(held, present)...)
	if settled {
		problems = append(problems, x.conflicts()...)
	}
	return Update{Index: x, Problems: problems}
}

// missing returns the hosts of before whose lines are not in now. It is made for the usual case, in which
// lines were only added at the end.
func missing(before, now []Host) []Host {
	same := 0
	for same < len(before) && same < len(now) && before[same].sum == now[same].sum {
		same++
	}
	if same == len(before) {
		return nil
	}
	lines := make(map[uint64]bool, len(now))
	for i := range now {
		lines[now[i].sum] = true
	}
	var out []Host
	for i := range before[same:] {
		if h := &before[same+i]; !lines[h.sum] {
			out = append(out, *h)
		}
	}
	return out
}
