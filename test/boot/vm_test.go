package boot

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// TestAMachineDoesNotEndWithAnotherTestsThread: Pdeathsig is sent when the thread ends that started the process, and the
// threads of the lab's machines end with them, while other tests' machines run.
func TestAMachineDoesNotEndWithAnotherTestsThread(t *testing.T) {
	for range 20 {
		cmd, ended := exec.Command("sleep", "infinity"), make(chan error, 1)
		check(t, launch(cmd, ended))
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for range 2 * runtime.GOMAXPROCS(0) {
			wg.Go(func() {
				runtime.LockOSThread() // the thread ends with the goroutine
				<-begin
			})
		}
		close(begin)
		wg.Wait()
		check(t, cmd.Process.Signal(syscall.SIGTERM)) // it is first in the queue only if the thread's end was not
		if err := <-ended; err.Error() != "signal: terminated" {
			t.Fatalf("it ended by %q", err)
		}
	}
}
