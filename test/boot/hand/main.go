// Command hand does in a virtual machine of the boot tests what it is told over a virtio port: it runs
// programs and says how they ended.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

const port = "/dev/virtio-ports/hand"

// A request is a program to run. With Until it is run again at each change of the kernel's addresses and
// routes, until it succeeds.
type request struct {
	Argv  []string `json:"argv"`
	Until bool     `json:"until,omitempty"`
}

// An answer is how it ended.
type answer struct {
	Code   int    `json:"code"`
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
}

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "hand:", err)
		os.Exit(1)
	}
}

func serve() error {
	f, err := os.OpenFile(port, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	out := json.NewEncoder(f)
	if err := out.Encode(answer{}); err != nil { // I am here
		return err
	}
	in := json.NewDecoder(bufio.NewReader(f))
	for {
		var r request
		if err := in.Decode(&r); err != nil {
			return err
		}
		if err := out.Encode(do(r)); err != nil {
			return err
		}
	}
}

func do(r request) answer {
	if !r.Until {
		return once(r)
	}
	monitor := exec.Command("ip", "-o", "monitor", "address", "route")
	changes, err := monitor.StdoutPipe()
	if err == nil {
		err = monitor.Start()
	}
	if err != nil {
		return answer{Code: -1, Stderr: []byte(err.Error())}
	}
	defer func() {
		_ = monitor.Process.Kill()
		_ = monitor.Wait() // it was killed
	}()
	lines := bufio.NewScanner(changes)
	for {
		a := once(r)
		if a.Code == 0 || !lines.Scan() {
			return a
		}
	}
}

// once runs the program one time.
func once(r request) answer {
	cmd := exec.Command(r.Argv[0], r.Argv[1:]...)
	cmd.Env = append(os.Environ(), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	a := answer{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
	if ended := (*exec.ExitError)(nil); err != nil && !errors.As(err, &ended) {
		a.Code, a.Stderr = -1, []byte(err.Error())
	}
	return a
}
