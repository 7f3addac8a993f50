package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/fault"
)

// DefaultRunDir holds the control socket and the lock of the agent.
const DefaultRunDir = "/run/v6guest"

// socketName is the control socket's name in the run folder.
const socketName = "v6guest.sock"

// maxSocketPath is the longest path that a unix socket can have.
const maxSocketPath = 107

// maxRequest bounds the body of a request, in bytes.
const maxRequest = 64 << 10

// A LeaseRequest asks for a lease or a release on the NICs named; none means every managed one.
type LeaseRequest struct {
	NICs    []string `json:"nics,omitempty"`
	Timeout Seconds  `json:"timeout"`
	Trace   bool     `json:"trace,omitempty"` // return a line for each packet
}

// A Controller answers what the control socket is asked: the Agent, or a stand-in.
type Controller interface {
	// Status is the state of everything, now.
	Status(context.Context) (Status, error)
	// Lease leases anew on the NICs and says how it ended on each.
	Lease(context.Context, LeaseRequest) ([]LeaseResult, error)
	// Release gives the leases of the NICs back.
	Release(context.Context, LeaseRequest) ([]LeaseResult, error)
	// FilesChanged says that the network stacks go by other files than before.
	FilesChanged(context.Context) error
	// WaitOnline returns when decision 6's wait-online is to end.
	WaitOnline(context.Context) (Online, error)
}

// A control is the listening control socket with the lock that keeps a second agent away.
type control struct {
	lock   *os.File
	server *http.Server
	ln     net.Listener
}

// lockRunDir takes the run folder for this process. A second agent gets a Fault.
func lockRunDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, runDirFault(dir, err)
	}
	name := filepath.Join(dir, "v6guest.lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, runDirFault(dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fault.New(fault.ExitFailure, "stop it first (systemctl stop v6guest), or give this one its own --run-dir",
				"an agent is running already in %s", dir)
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}

func runDirFault(dir string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fault.New(fault.ExitNotPermitted, "run as root", "run folder %s: %w", dir, err)
	}
	return fault.New(fault.ExitFailure, "name another folder with --run-dir", "run folder %s: %w", dir, err)
}

// listenControl opens the control socket in the run folder, which must be locked: what lies there
// under the socket's name was left by an agent that is gone.
func listenControl(lock *os.File, dir string, c Controller, log *slog.Logger) (*control, error) {
	name := filepath.Join(dir, socketName)
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if len(name) > maxSocketPath {
		return nil, fault.New(fault.ExitUsage, "name a shorter --run-dir", "control socket: %s is longer than %d bytes", name, maxSocketPath)
	}
	old := unix.Umask(0o177) // 0600 from the first moment on
	ln, err := net.Listen("unix", name)
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	s := &http.Server{
		Handler:           handler(c),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return &control{lock: lock, server: s, ln: ln}, nil
}

// serve answers requests until close.
func (c *control) serve() error {
	if err := c.server.Serve(c.ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// close ends serve and every request, and removes the socket; the lock goes last.
func (c *control) close() error {
	return errors.Join(c.server.Close(), c.lock.Close())
}

func handler(c Controller) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		s, err := c.Status(r.Context())
		reply(w, s, err)
	})
	mux.HandleFunc("POST /v1/lease", leaseHandler(c.Lease))
	mux.HandleFunc("POST /v1/release", leaseHandler(c.Release))
	mux.HandleFunc("POST /v1/files-changed", func(w http.ResponseWriter, r *http.Request) {
		reply(w, struct{}{}, c.FilesChanged(r.Context()))
	})
	mux.HandleFunc("POST /v1/wait-online", func(w http.ResponseWriter, r *http.Request) {
		o, err := c.WaitOnline(r.Context())
		reply(w, o, err)
	})
	return mux
}

func leaseHandler(do func(context.Context, LeaseRequest) ([]LeaseResult, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req LeaseRequest
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
		d.DisallowUnknownFields()
		if err := d.Decode(&req); err != nil {
			reply(w, nil, fault.New(fault.ExitUsage, "", "request: %w", err))
			return
		}
		res, err := do(r.Context(), req)
		reply(w, res, err)
	}
}

// reply writes v, or the error as a FaultReport.
func reply(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		v = Report(err)
		w.WriteHeader(httpStatus(err))
	}
	_ = json.NewEncoder(w).Encode(v) // the peer that does not read its answer does not want it
}

func httpStatus(err error) int {
	switch fault.ExitCode(err) {
	case fault.ExitUsage:
		return http.StatusBadRequest
	case fault.ExitNotPermitted:
		return http.StatusForbidden
	}
	return http.StatusInternalServerError
}
