package responder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/fault"
)

// How long a command waits for the next piece of the server's answer: it looks things up at once, but a reload
// reads a million hosts, and what is added waits for the disk.
const (
	patience       = 20 * time.Second
	patienceToDoIt = controlTimeout
)

// errSilent says that a server runs, or something else has its socket, and does not answer.
var errSilent = errors.New("the server does not answer")

// A hasty connection waits so long for each read, and no longer.
type hasty struct {
	net.Conn
	limit time.Duration
}

func (c hasty) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// ask sends a request to the server that runs with the run folder dir, and reads its answer into out.
func ask(ctx context.Context, dir, method, path string, out any) error {
	limit := patience
	if method != http.MethodGet {
		limit = patienceToDoIt
	}
	return askWithin(ctx, limit, dir, method, path, out)
}

func askWithin(ctx context.Context, limit time.Duration, dir, method, path string, out any) error {
	body, err := open(ctx, limit, dir, method, path, func(c net.Conn) net.Conn { return hasty{c, limit} })
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return unanswered(ctx, filepath.Join(dir, controlSocket), limit, err)
	}
	return nil
}

// open sends a request and returns the answer's body, when the answer has begun within the limit; by is what
// the connection is read through.
func open(ctx context.Context, limit time.Duration, dir, method, path string, by func(net.Conn) net.Conn) (io.ReadCloser, error) {
	name := filepath.Join(dir, controlSocket)
	if len(path) > maxRequest {
		return nil, fault.New(fault.ExitUsage, "write shorter words: no client, address or line of the hosts file is that long", "the arguments are too long to be asked for, %d bytes", len(path))
	}
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			d := net.Dialer{Timeout: limit}
			c, err := d.DialContext(ctx, "unix", name)
			if err != nil {
				return nil, err
			}
			return by(c), nil
		},
		DisableKeepAlives: true, ResponseHeaderTimeout: limit,
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://v6responder"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, unanswered(ctx, name, limit, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var f failure
	if b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20)); err == nil {
		_ = json.Unmarshal(b, &f) // else the status says enough
	}
	if f.Error == "" {
		f.Error = resp.Status
		if resp.StatusCode == http.StatusNotFound {
			f = failure{Error: "the server that runs does not know this", Try: "restart it: it is of another version than this command"}
		}
	}
	return nil, &fault.Fault{Err: fmt.Errorf("%s: %s", name, f.Error), Cure: f.Try, Exit: f.Exit}
}

// unanswered says why there is no answer.
func unanswered(ctx context.Context, name string, limit time.Duration, err error) error {
	late := net.Error(nil)
	switch {
	case ctx.Err() != nil: // who asked does not want to know any more
	case errors.As(err, &late) && late.Timeout():
		return &fault.Fault{
			Err:  fmt.Errorf("%s: %w: nothing for %s", name, errSilent, limit),
			Cure: "it hangs, or the machine is overloaded: see its log (journalctl -u v6responder); if it stays so, systemctl restart v6responder",
		}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ENOTDIR):
		return &fault.Fault{
			Err:  fmt.Errorf("%s: %w", name, ErrNotRunning),
			Cure: "start it, or name its run folder by --run-dir",
		}
	case errors.Is(err, fs.ErrPermission):
		return &fault.Fault{Err: fmt.Errorf("%s: %w", name, fs.ErrPermission), Cure: "run it as root", Exit: fault.ExitNotPermitted}
	}
	return fmt.Errorf("%s: %w", name, err)
}
