package main

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestAProgramThatDoesNotEndIsGivenUp(t *testing.T) {
	a := do(request{Argv: []string{"sh", "-c", "echo begun; exec sleep infinity"}, Within: time.Second})
	if a.Err != "not within 1s" || a.Code == 0 {
		t.Errorf("%+v", a)
	}
}

func TestACheckThatNeverSucceedsIsGivenUp(t *testing.T) {
	a := do(request{Argv: []string{"sh", "-c", "echo not yet; false"}, Until: true, Within: time.Second})
	if a.Err != "not within 1s" {
		t.Errorf("%+v", a)
	}
}

// A daemon that a program leaves behind has its standard output still open.
func TestADaemonThatStaysIsNotWaitedFor(t *testing.T) {
	a := do(request{Argv: []string{"sh", "-c", "sleep infinity & echo $!"}, Within: time.Hour})
	daemon, err := strconv.Atoi(strings.TrimSpace(string(a.Stdout)))
	if err != nil || a.Code != 0 || a.Err != "" {
		t.Fatalf("%+v, %v", a, err)
	}
	p, err := os.FindProcess(daemon)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
}
