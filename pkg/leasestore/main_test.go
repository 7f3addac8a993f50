package leasestore

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata anew")

// childVariable is set in a child process: what it is to do, and with what.
const childVariable = "V6GUEST_LEASESTORE_CHILD"

func TestMain(m *testing.M) {
	what := strings.Fields(os.Getenv(childVariable))
	if len(what) == 0 {
		os.Exit(m.Run())
	}
	err := map[string]func(args []string) error{
		"open": childOpens, "write": childWrites, "limit": childAtItsLimit, "full": childOnAFullDisk, "astray": childGoesAstray, "rewrite": childRewritesOnAFullDisk,
	}[what[0]](what[1:])
	if err != nil {
		fmt.Println("child:", err)
		if fault := (*Fault)(nil); errors.As(err, &fault) {
			fmt.Println("cure:", fault.Cure)
		}
		os.Exit(1)
	}
	os.Exit(0)
}
