// Command hand does in a virtual machine of the boot tests what it is told over a virtio port: it runs
// programs and says how they ended.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

const port = "/dev/virtio-ports/hand"

// A request is a program to run. With Until it is run again at each change of the kernel's NICs, addresses
// and routes, until it succeeds.
type request struct {
	Argv  []string `json:"argv"`
	Until bool     `json:"until,omitempty"`
	// Within is how long it may take: who waits is told then, and can ask what is wrong.
	Within time.Duration `json:"within"`
}

// An answer is how it ended.
type answer struct {
	Code   int    `json:"code"`
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
	// Err is why it did not end by itself.
	Err string `json:"err,omitempty"`
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
	ctx, cancel := context.WithTimeoutCause(context.Background(), r.Within, fmt.Errorf("not within %v", r.Within.Round(time.Second)))
	defer cancel()
	if !r.Until {
		return once(ctx, r.Argv)
	}
	changes, err := subscribe()
	if err != nil {
		return failed(err)
	}
	defer unix.Close(changes)
	for {
		a := once(ctx, r.Argv)
		if a.Code == 0 || ctx.Err() != nil {
			return a
		}
		if err := change(ctx, changes); err != nil {
			a.Err = err.Error()
			return a
		}
	}
}

// failed is the answer where none was run.
func failed(err error) answer { return answer{Code: -1, Err: err.Error()} }

// change waits for a change. What a message says is not looked at; that some were lost (ENOBUFS) is one as well.
func change(ctx context.Context, changes int) error {
	some := make([]byte, 1<<16)
	for {
		end, _ := ctx.Deadline()
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(changes), Events: unix.POLLIN}}, int(max(0, time.Until(end)).Milliseconds())+1)
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case n <= 0:
			continue
		}
		if _, _, err := unix.Recvfrom(changes, some, 0); err == nil || errors.Is(err, unix.ENOBUFS) {
			return nil
		} else if !errors.Is(err, unix.EINTR) {
			return err
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

// once runs the program one time. It prints into files: a pipe has no end while a daemon that it leaves behind has it open.
func once(ctx context.Context, argv []string) answer {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8")
	var printed [2]*os.File
	for i := range printed {
		fd, err := unix.MemfdCreate("printed", unix.MFD_CLOEXEC)
		if err != nil {
			return failed(err)
		}
		printed[i] = os.NewFile(uintptr(fd), "printed")
		defer printed[i].Close()
	}
	cmd.Stdout, cmd.Stderr = printed[0], printed[1]
	err := cmd.Run()
	a := answer{Code: cmd.ProcessState.ExitCode(), Stdout: all(printed[0]), Stderr: all(printed[1])}
	if ended := (*exec.ExitError)(nil); ctx.Err() != nil && err != nil {
		a.Err = context.Cause(ctx).Error()
	} else if err != nil && !errors.As(err, &ended) {
		a.Code, a.Stderr = -1, []byte(err.Error())
	}
	return a
}

// all is what was printed into a file. Its offset is left where it is: a daemon may print on.
func all(f *os.File) []byte {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
	if err != nil {
		return []byte(err.Error())
	}
	return b
}
