package cmdline

import (
	"strings"
	"testing"
)

// writes notes each write.
type writes []string

func (w *writes) Write(b []byte) (int, error) {
	*w = append(*w, string(b))
	return len(b), nil
}

func TestABatchWritesOnceWhatWasHeld(t *testing.T) {
	var w writes
	b := &Batch{W: &w}
	put := func(s string) {
		if n, err := b.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	put("one\n")
	b.Hold()
	put("two\n")
	put("three\n")
	if got := strings.Join(w, "|"); got != "one\n" {
		t.Errorf("held: %q", got)
	}
	b.Release()
	b.Hold()
	b.Release()
	put("four\n")
	if got := strings.Join(w, "|"); got != "one\n|two\nthree\n|four\n" {
		t.Errorf("released: %q", got)
	}
	b.Hold()
	put(strings.Repeat("x", batchRoom)) // as much as is kept
	if len(w) != 4 {
		t.Errorf("%d writes", len(w))
	}
}
