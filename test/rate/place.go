package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// place says when and where a run was made, and what else the machine did when it began: figures of two runs are
// worth nothing beside each other without that.
func place(rounds int, during time.Duration) string {
	kernel := "an unknown kernel"
	if u := (unix.Utsname{}); unix.Uname(&u) == nil {
		release, _, _ := strings.Cut(unix.ByteSliceToString(u.Release[:]), "-")
		kernel = "Linux " + release
	}
	load := "unknown"
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(text), " ")
	}
	return fmt.Sprintf("Run of %s; rounds: %d; each load lasts %s; %d cores, %s, %s; load average when it began: %s.\n",
		time.Now().UTC().Format(time.DateOnly), rounds, during, runtime.NumCPU(), kernel, runtime.Version(), load)
}
