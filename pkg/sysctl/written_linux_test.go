package sysctl

import (
	"os"
	"path/filepath"
	"testing"
)

// writtenTree is a folder of switches like the kernel's.
func writtenTree(t *testing.T, nics ...string) Tree {
	t.Helper()
	tree := Tree{Root: t.TempDir()}
	for _, nic := range nics {
		if err := os.MkdirAll(filepath.Join(tree.conf(), nic), 0o755); err != nil {
			t.Fatal(err)
		}
		writeSwitch(t, tree, nic, AcceptRA, "1")
	}
	return tree
}

func writeSwitch(t *testing.T, tree Tree, nic string, s Switch, value string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(tree.conf(), nic, string(s)), []byte(value+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAWriteToASwitchIsTold(t *testing.T) {
	tree := writtenTree(t, "eth0", "eth1", "eth2")
	w, err := tree.Written(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, nic := range []string{"eth0", "eth1", "eth2"} {
		if err := w.Follow(nic, AcceptRA, Autoconf); err != nil { // Autoconf is not there
			t.Fatal(err)
		}
	}
	w.Forget("eth1")
	writeSwitch(t, tree, "eth1", AcceptRA, "2")
	writeSwitch(t, tree, "eth0", AcceptRA, "2")
	if nic := <-w.C; nic != "eth0" {
		t.Errorf("told %s, want eth0", nic)
	}
	for nic := "eth0"; nic != "eth2"; nic = <-w.C { // one write may be two events
		if nic != "eth0" {
			t.Fatalf("told %s", nic)
		}
		if nic == "eth0" {
			writeSwitch(t, tree, "eth2", AcceptRA, "0")
		}
	}
}

func TestTheZeroWrittenTellsNothing(t *testing.T) {
	var w Written
	if err := w.Follow("eth0", AcceptRA); err != nil {
		t.Error(err)
	}
	w.Forget("eth0")
}
