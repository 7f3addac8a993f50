package responder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/fault"
)

// controlSocket is the unix socket in the run folder over which the commands ask the running server,
// by JSON over HTTP.
const controlSocket = "v6responder.sock"

// pathReload is where POST reads the configuration and the hosts anew; the answer is a Reloaded.
const pathReload = "/v1/reload"

// controlTimeout bounds one request, a million hosts included.
const controlTimeout = 2 * time.Minute

// maxRequest is how many bytes may be asked with; a line of the hosts file has at most 4,096, most of which may be escaped.
const maxRequest = 16 << 10

// ErrNotRunning says that no server answers at the control socket.
var ErrNotRunning = errors.New("no v6responder is running")

// A failure is the answer to a request that failed.
type failure struct {
	Error string `json:"error"`
	Try   string `json:"try,omitempty"`
	Exit  int    `json:"exit,omitempty"` // the command's exit code
}

// ListenControl opens the control socket in dir, for its owner only. A socket that nobody answers at is
// replaced; where a server does answer, the error is a Fault.
func ListenControl(dir string) (net.Listener, error) {
	name := filepath.Join(dir, controlSocket)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, controlFault(fmt.Errorf("control socket: %w", err))
	}
	if c, err := net.Dial("unix", name); err == nil {
		_ = c.Close()
		return nil, &fault.Fault{
			Err:  fmt.Errorf("control socket %s: another v6responder is running", name),
			Cure: "stop that one, or give this one a folder of its own by --run-dir",
		}
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, controlFault(fmt.Errorf("control socket: %w", err))
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, controlFault(fmt.Errorf("control socket: %w", err))
	}
	// Until now nobody but root and the owner can have connected in a folder of mode 0755 to a socket
	// that nobody serves; from now on the kernel refuses others.
	if err := os.Chmod(name, 0o600); err != nil {
		return nil, controlFault(errors.Join(fmt.Errorf("control socket: %w", err), l.Close()))
	}
	return l, nil
}

func controlFault(err error) error {
	f := &fault.Fault{Err: err, Cure: "name a folder that can be written to by --run-dir"}
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		f.Exit = fault.ExitNotPermitted
	}
	return f
}

// ServeControl answers requests until the context ends, and closes the listener.
func (s *Server) ServeControl(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathReload, func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) { return s.Reload(r.Context()) })
	})
	s.handleStatus(mux)
	s.handleTrace(mux)
	s.handleLeases(mux)
	s.handleHosts(mux)
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: controlTimeout, ReadTimeout: controlTimeout, MaxHeaderBytes: maxRequest,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

func failureOf(err error) failure {
	out := failure{Error: err.Error()}
	if f, ok := fault.As(err); ok {
		out.Try, out.Exit = f.Cure, f.Exit
	}
	return out
}

func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, `{"error":"internal"}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // whoever asked has gone
}

// Reloaded is what is in force after a Reload.
type Reloaded struct {
	HostsSummary
	Networks int      `json:"networks"`
	Warnings []string `json:"warnings"`
}

// Reload asks the server that runs with the run folder dir to read its configuration and its hosts anew,
// and returns what is in force then. Where none runs the error is a Fault with ErrNotRunning.
func Reload(ctx context.Context, dir string) (out Reloaded, err error) {
	return out, ask(ctx, dir, http.MethodPost, pathReload, &out)
}
