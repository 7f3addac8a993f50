package e2e

import (
	"flag"
	"testing"
)

var roughFlag = flag.Bool("rough", false, "run the tests that take long or load the machine, too (make test-rough)")

// rough skips a test that takes long or loads the machine, unless it was asked for. What it loads may be
// shared by all machines of the lab (the kernel's neighbour table is), so it runs beside no other test.
func rough(t *testing.T) {
	t.Helper()
	if !*roughFlag {
		t.Skip("takes long or loads the machine: run it by make test-rough")
	}
}
