package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// searchPath is where a machine's programs are found.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func environment() []string {
	return []string{"PATH=" + searchPath, "HOME=/root", "LANG=C.UTF-8", "TERM=dumb"}
}

// A Line is a line that a process printed, and when it came.
type Line struct {
	At   time.Time
	Text string
}

// A Process runs in a machine. Its output is kept, stdout and stderr in the order in which they came.
type Process struct {
	Name    string
	Started time.Time

	machine *Machine
	cmd     *exec.Cmd

	mu      sync.Mutex
	lines   []Line
	partial bytes.Buffer
	changed chan struct{}
	ended   chan struct{}
	err     error
}

// ErrEnded means that a process ended before it printed what was waited for.
var ErrEnded = errors.New("the process ended")

// Start starts a program in the machine.
func (m *Machine) Start(args ...string) (*Process, error) {
	p := &Process{Name: args[0], machine: m, changed: make(chan struct{}), ended: make(chan struct{})}
	err := m.thread.do(func() error {
		p.cmd = m.command(args)
		p.cmd.Stdout, p.cmd.Stderr = p, p
		p.Started = time.Now()
		return p.cmd.Start()
	})
	if err != nil {
		return nil, fmt.Errorf("%s: start %s: %w", m.Name, strings.Join(args, " "), err)
	}
	m.processes.Go(p.wait)
	return p, nil
}

// command is called on the machine's thread, so that the program is looked for in its root.
func (m *Machine) command(args []string) *exec.Cmd {
	path := args[0]
	if !strings.Contains(path, "/") {
		for dir := range strings.SplitSeq(searchPath, ":") {
			if found, err := exec.LookPath(dir + "/" + path); err == nil {
				path = found
				break
			}
		}
	}
	return &exec.Cmd{
		Path: path, Args: args, Env: environment(), Dir: "/",
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
		WaitDelay:   5 * time.Second, // for daemons that leave a child with our pipe
	}
}

func (p *Process) wait() {
	err := p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.partial.Len() > 0 {
		p.addLine(p.partial.String())
	}
	p.err = err
	close(p.ended)
}

// Write takes the process's output; it is for the os/exec package.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.partial.Write(b)
	for {
		line, rest, ok := bytes.Cut(p.partial.Bytes(), []byte("\n"))
		if !ok {
			return len(b), nil
		}
		p.addLine(string(line))
		p.partial = *bytes.NewBuffer(bytes.Clone(rest))
	}
}

func (p *Process) addLine(text string) {
	p.lines = append(p.lines, Line{At: time.Now(), Text: text})
	if p.machine.output != nil {
		fmt.Fprintf(p.machine.output, "%s %s: %s: %s\n", time.Now().Format("15:04:05.000"), p.machine.Name, p.Name, text)
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// Lines returns what the process has printed until now.
func (p *Process) Lines() []Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines[:len(p.lines):len(p.lines)]
}

// Output returns what the process has printed until now as one text.
func (p *Process) Output() string {
	var b strings.Builder
	for _, l := range p.Lines() {
		b.WriteString(l.Text + "\n")
	}
	return b.String()
}

// AwaitLine waits for a line that contains text, from the line with number from on, and returns the
// number of the line after it. The error is ErrEnded when the process ended before, or ctx's.
func (p *Process) AwaitLine(ctx context.Context, from int, text string) (next int, err error) {
	for {
		p.mu.Lock()
		lines, changed := p.lines, p.changed
		p.mu.Unlock()
		for ; from < len(lines); from++ {
			if strings.Contains(lines[from].Text, text) {
				return from + 1, nil
			}
		}
		select {
		case <-changed:
		case <-p.ended:
			if len(p.Lines()) == from {
				return from, fmt.Errorf("%s: waiting for %q: %w\n%s", p.Name, text, ErrEnded, p.Output())
			}
		case <-ctx.Done():
			return from, fmt.Errorf("%s: waiting for %q: %w\n%s", p.Name, text, context.Cause(ctx), p.Output())
		}
	}
}

// Signal sends a signal to the process.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Guard returns a context that ends with ctx, and when the process ends: then its cause is ErrEnded
// with what the process printed. It keeps a wait for what the process does from lasting longer than
// the process. Its cancel function must be called.
func (p *Process) Guard(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-p.ended:
			cancel(fmt.Errorf("%s: %w\n%s", p.Name, ErrEnded, p.Output()))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// Wait waits for the process's end and returns its exit code (-1 when a signal ended it). The error
// is ctx's.
func (p *Process) Wait(ctx context.Context) (code int, err error) {
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return -1, fmt.Errorf("%s: waiting for its end: %w\n%s", p.Name, context.Cause(ctx), p.Output())
	}
}

// Stop asks the process to end (SIGTERM) and waits until it has; ctx ended, it is killed.
func (p *Process) Stop(ctx context.Context) (code int, err error) {
	_ = p.Signal(syscall.SIGTERM) // it may have ended already
	code, err = p.Wait(ctx)
	if err != nil {
		return code, errors.Join(err, p.Kill())
	}
	return code, nil
}

// Kill ends the process as kill -9 does, and waits until it has ended.
func (p *Process) Kill() error {
	err := p.Signal(syscall.SIGKILL)
	<-p.ended
	return err
}

// A Result is what a program that ran to its end left.
type Result struct {
	Stdout, Stderr string
	Code           int // the exit code; -1 when a signal ended it
	Took           time.Duration
}

// Run runs a program in the machine to its end; ctx ended, it is killed. The error says that it
// could not run, or ctx's; an exit code other than 0 is no error.
func (m *Machine) Run(ctx context.Context, args ...string) (Result, error) {
	return m.RunInput(ctx, nil, args...)
}

// RunInput is Run with something to read on stdin.
func (m *Machine) RunInput(ctx context.Context, stdin io.Reader, args ...string) (Result, error) {
	var stdout, stderr bytes.Buffer
	var cmd *exec.Cmd
	started := time.Now()
	err := m.thread.do(func() error {
		cmd = m.command(args)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
		return cmd.Start()
	})
	if err != nil {
		return Result{}, fmt.Errorf("%s: %s: %w", m.Name, strings.Join(args, " "), err)
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-ended:
		default:
			_ = cmd.Process.Kill()
		}
	})
	defer stop()
	err = cmd.Wait()
	close(ended)
	r := Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode(), Took: time.Since(started)}
	if m.output != nil {
		fmt.Fprintf(m.output, "%s %s: $ %s (exit code %d)\n%s%s", time.Now().Format("15:04:05.000"), m.Name, strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	if ctx.Err() != nil {
		return r, fmt.Errorf("%s: %s: %w\n%s%s", m.Name, strings.Join(args, " "), context.Cause(ctx), r.Stdout, r.Stderr)
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return r, fmt.Errorf("%s: %s: %w", m.Name, strings.Join(args, " "), err)
	}
	return r, nil
}

// PID is the process's number on the machine that the lab runs on.
func (p *Process) PID() int { return p.cmd.Process.Pid }
