package guest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"syscall"

	"github.com/v6guest/v6guest/pkg/fault"
)

// ErrNoAgent is in the chain of the errors of a ControlClient when no agent answers.
var ErrNoAgent = errors.New("no agent is running")

// maxAnswer bounds an answer, in bytes: 64 NICs with all their routers stay far below it.
const maxAnswer = 16 << 20

// A ControlClient asks the agent that runs in a run folder. It is a Controller.
type ControlClient struct {
	dir    string
	client http.Client
}

var _ Controller = (*ControlClient)(nil)

// NewControlClient makes a client of the agent in the run folder dir.
func NewControlClient(dir string) *ControlClient {
	c := &ControlClient{dir: dir}
	c.client.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", filepath.Join(dir, socketName))
		},
		DisableKeepAlives: true,
	}
	return c
}

// Status asks for the state of everything.
func (c *ControlClient) Status(ctx context.Context) (s Status, err error) {
	return s, c.ask(ctx, http.MethodGet, "status", nil, &s)
}

// Lease asks for a lease on each NIC; it waits for the end.
func (c *ControlClient) Lease(ctx context.Context, r LeaseRequest) (res []LeaseResult, err error) {
	return res, c.ask(ctx, http.MethodPost, "lease", r, &res)
}

// Release asks for the leases to be given back.
func (c *ControlClient) Release(ctx context.Context, r LeaseRequest) (res []LeaseResult, err error) {
	return res, c.ask(ctx, http.MethodPost, "release", r, &res)
}

// FilesChanged tells that the network stacks go by other files than before.
func (c *ControlClient) FilesChanged(ctx context.Context) error {
	return c.ask(ctx, http.MethodPost, "files-changed", struct{}{}, &struct{}{})
}

// WaitOnline returns when the agent says that waiting has an end.
func (c *ControlClient) WaitOnline(ctx context.Context) (o Online, err error) {
	return o, c.ask(ctx, http.MethodPost, "wait-online", struct{}{}, &o)
}

// ask does one request. The agent's own errors come back as a Fault; errors.Is finds ErrNoAgent when
// nobody listens.
func (c *ControlClient) ask(ctx context.Context, method, what string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return fmt.Errorf("request %s: %w", what, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://v6guest/v1/"+what, &body)
	if err != nil {
		return fmt.Errorf("request %s: %w", what, err)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return c.failed(ctx, err)
	}
	defer res.Body.Close()
	d := json.NewDecoder(io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode != http.StatusOK {
		var r FaultReport
		if err := d.Decode(&r); err != nil {
			return fmt.Errorf("the agent answered %s with %s", what, res.Status)
		}
		return r.Fault()
	}
	if err := d.Decode(out); err != nil {
		return c.failed(ctx, fmt.Errorf("the agent's answer to %s: %w", what, err))
	}
	return nil
}

// failed is why there was no answer.
func (c *ControlClient) failed(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return fault.New(fault.ExitFailure, "", "interrupted")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fault.New(fault.ExitFailure, "start it with `systemctl start v6guest` or `v6guest run`", "%w in %s", ErrNoAgent, c.dir)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.ExitNotPermitted, "run as root", "control socket in %s: %w", c.dir, fs.ErrPermission)
	case brokeOff(err):
		return agentEnded(c.dir)
	}
	return fmt.Errorf("control socket in %s: %w", c.dir, err)
}

// brokeOff reports whether err is of a connection that the agent closed. net/http has errors for this
// that it does not export, so every error of an exchange on an open connection counts.
func brokeOff(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return false
	}
	_, exchange := errors.AsType[*url.Error](err)
	return exchange || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// agentEnded is what a command is told whose agent stops: by the agent if there is time, else by the
// connection that breaks.
func agentEnded(dir string) error {
	return fault.New(fault.ExitFailure, "v6guest status tells whether it runs again", "the agent in %s ended before it answered", dir)
}
