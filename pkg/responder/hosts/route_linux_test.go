package hosts_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/v6guest/v6guest/pkg/responder/hosts"
)

// A tree is a folder of the test's own.
type tree struct {
	t   *testing.T
	dir string
}

func newTree(t *testing.T) tree {
	t.Helper()
	return tree{t, t.TempDir()}
}

func (tr tree) path(name string) string { return filepath.Join(tr.dir, name) }

func (tr tree) ok(err error) {
	tr.t.Helper()
	if err != nil {
		tr.t.Fatal(err)
	}
}

// file writes a file, and makes the folders above it.
func (tr tree) file(name, text string) {
	tr.t.Helper()
	tr.ok(os.MkdirAll(filepath.Dir(tr.path(name)), 0o700))
	write(tr.t, tr.path(name), text)
}

func (tr tree) move(from, to string) {
	tr.t.Helper()
	tr.ok(os.Rename(tr.path(from), tr.path(to)))
}

// link makes a link, or another of one, in one step.
func (tr tree) link(to, name string) {
	tr.t.Helper()
	hidden := filepath.Join(filepath.Dir(name), ".new")
	tr.ok(os.Symlink(to, tr.path(hidden)))
	tr.move(hidden, name)
}

// reread is Watcher.Reread beside the test, which awaits the updates.
func reread(t *testing.T, w *hosts.Watcher) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- w.Reread(context.WithoutCancel(t.Context())) }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestWatcherFollowsALinkAboveThatIsReplaced(t *testing.T) {
	tr := newTree(t)
	tr.file("rel1/etc/hosts", line(1))
	tr.file("rel2/etc/hosts", line(2))
	tr.link("rel1", "current")
	_, _, await := watch(t, tr.path("current/etc/hosts"))
	await("vm-1")
	tr.link("rel2", "current")
	await("vm-1", "vm-2")
	tr.file("current/etc/hosts", line(3))
	await("vm-1", "vm-2", "vm-3")
}

func TestWatcherFollowsAFolderAboveThatIsReplaced(t *testing.T) {
	tr := newTree(t)
	tr.file("etc/hosts", line(1))
	tr.file("next/hosts", line(2))
	_, _, await := watch(t, tr.path("etc/hosts"))
	await("vm-1")
	tr.move("etc", "old")
	tr.move("next", "etc")
	await("vm-1", "vm-2")
	tr.file("etc/hosts", line(3))
	await("vm-1", "vm-2", "vm-3")
}

func TestWatcherKeepsLinesWhileTheFolderAboveIsAway(t *testing.T) {
	tr := newTree(t)
	tr.file("etc/hosts", line(1))
	_, w, await := watch(t, tr.path("etc/hosts"))
	await("vm-1")
	tr.move("etc", "away")
	await("vm-1") // with a problem
	reread(t, w)  // ends nothing
	await("vm-1")
	tr.file("etc/hosts", line(2))
	await("vm-1", "vm-2")
}

func TestWatcherFollowsLinksInAFolder(t *testing.T) {
	tr := newTree(t)
	tr.file("hosts.d/..one/a", line(1))
	tr.file("hosts.d/..two/a", line(1)+line(2))
	tr.file("elsewhere", line(3))
	tr.link("..one", "hosts.d/..data")
	tr.link("..data/a", "hosts.d/a")
	_, _, await := watch(t, tr.path("hosts.d"))
	await("vm-1")
	tr.link("..two", "hosts.d/..data")
	await("vm-1", "vm-2")
	tr.link("../elsewhere", "hosts.d/b")
	await("vm-1", "vm-2", "vm-3")
	tr.file("elsewhere", line(3)+line(4))
	await("vm-1", "vm-2", "vm-3", "vm-4")
}

func TestWatcherForgetsAFolderThatBecameAFile(t *testing.T) {
	tr := newTree(t)
	tr.file("hosts/a", line(1))
	clk, _, await := watch(t, tr.path("hosts"))
	await("vm-1")
	tr.move("hosts", "old")
	await("vm-1")
	tr.file("hosts", line(2))
	await("vm-1", "vm-2")
	passing(clk, func() { await("vm-2") })
}
