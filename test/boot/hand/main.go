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

	"golang.org/x/sys/unix"
)

const port = "/dev/virtio-ports/hand"

// A request is a program to run. With Until it is run again at each change of the kernel's NICs, addresses
// and routes, until it succeeds.
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
	changes, err := subscribe()
	if err != nil {
		return answer{Code: -1, Stderr: []byte(err.Error())}
	}
	defer unix.Close(changes)
	some := make([]byte, 1<<16)
	for {
		a := once(r)
		if a.Code == 0 {
			return a
		}
		// What a message says is not looked at; that some were lost (ENOBUFS) is a change as well.
		for {
			if _, _, err := unix.Recvfrom(changes, some, 0); err == nil || errors.Is(err, unix.ENOBUFS) {
				break
			} else if !errors.Is(err, unix.EINTR) {
				return answer{Code: -1, Stderr: []byte(err.Error())}
			}
		}
	}
}

// subscribe asks the kernel for its changes of NICs, addresses and routes. From its return on none is missed, as
// one would be before a program that does the same has started.
func subscribe() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, err
	}
	const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV6_ROUTE
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
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
