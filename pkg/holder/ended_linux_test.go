package holder_test

import (
	"context"
	"os/exec"
	"testing"

	"github.com/v6guest/v6guest/pkg/holder"
)

func TestTheEndOfAProcessIsTold(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended, err := holder.Ended(t.Context(), cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
		t.Fatal("it has not ended")
	default:
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	<-ended
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	again, err := holder.Ended(t.Context(), cmd.Process.Pid) // it is gone
	if err != nil {
		t.Fatal(err)
	}
	<-again
}

func TestAProcessIsFollowedNoLongerThanItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended, err := holder.Ended(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-ended
}
