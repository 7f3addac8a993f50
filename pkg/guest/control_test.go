package guest

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
)

// A manager is a service manager that only listens.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T) *manager {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return &manager{t, conn}
}

// await reads until the manager is told the word, and returns everything that it was told.
func (m *manager) await(word string) []string {
	m.t.Helper()
	var told []string
	b := make([]byte, 4096)
	for {
		if err := m.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			m.t.Fatal(err)
		}
		n, err := m.conn.Read(b)
		if err != nil {
			m.t.Fatalf("waiting for %q: %v; told %q", word, err, told)
		}
		if told = append(told, string(b[:n])); strings.Contains(told[len(told)-1], word) {
			return told
		}
	}
}

// serve runs an agent with its control socket on a fake machine, in real time.
func serve(t *testing.T, m *fakeMachine, dir string) (stop func() error) {
	t.Helper()
	a, err := NewAgent(Options{
		Config: parse(t, "[agent]\nstart_delay = none\n"), System: m, Clock: clock.Boottime{}, StateDir: t.TempDir(), RunDir: dir,
		Version: "test", Log: testLog(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	return func() error { cancel(); return <-ended }
}

func TestTheServiceManagerIsToldWhatIsAndWhatIsMissing(t *testing.T) {
	sm := newManager(t)
	t.Setenv("WATCHDOG_USEC", "200000")
	m := two()
	m.dad = time.Millisecond
	dir := t.TempDir()
	stop := serve(t, m, dir)
	told := sm.await("READY=1")
	if !strings.HasPrefix(told[0], "STATUS=eth0: ") {
		t.Errorf("told %q", told)
	}
	// Ready means: the control socket answers.
	if _, err := NewControlClient(dir).Status(t.Context()); err != nil {
		t.Errorf("status when ready: %v", err)
	}
	if _, err := NewControlClient(dir).WaitOnline(t.Context()); err != nil {
		t.Error(err)
	}
	sm.await("STATUS=eth0 " + addr0 + ", eth1 " + addr1)
	sm.await("WATCHDOG=1")
	sm.await("WATCHDOG=1")
	if err := stop(); err != nil {
		t.Error(err)
	}
	sm.await("STOPPING=1")
}

func TestTheControlSocket(t *testing.T) {
	m := two()
	m.dad = time.Millisecond
	dir := t.TempDir()
	name := filepath.Join(dir, socketName)
	if err := os.WriteFile(name, nil, 0o600); err != nil { // left by an agent that is gone
		t.Fatal(err)
	}
	sm := newManager(t)
	stop := serve(t, m, dir)
	sm.await("READY=1")
	c := NewControlClient(dir)

	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	if o, err := c.WaitOnline(t.Context()); err != nil || !o.Online || o.Address.String() != addr0 {
		t.Errorf("wait-online: %+v, %v", o, err)
	}
	res, err := c.Lease(t.Context(), LeaseRequest{NICs: []string{"eth1"}, Timeout: Seconds(20 * time.Second), Trace: true})
	if err != nil || len(res) != 1 || res[0].Address.String() != addr1 || !res[0].Valid.Infinite() || len(res[0].Packets) == 0 {
		t.Errorf("lease: %+v, %v", res, err)
	}
	s, err := c.Status(t.Context())
	if err != nil || len(s.NICs) != 2 || s.NICs[0].Binding == nil || s.NICs[0].Binding.From != serverAddr || !s.Online {
		t.Errorf("status: %+v, %v", s, err)
	}
	res, err = c.Release(t.Context(), LeaseRequest{Timeout: Seconds(20 * time.Second)})
	if err != nil || len(res) != 2 || res[0].Was.String() != addr0 || res[1].Fault != nil {
		t.Errorf("release: %+v, %v", res, err)
	}
	res, err = c.Lease(t.Context(), LeaseRequest{NICs: []string{"eth9"}})
	if err != nil || res[0].Fault.Exit != fault.ExitUsage || res[0].Fault.Cure != "name one of: eth0, eth1" {
		t.Errorf("lease on eth9: %+v, %v", res, err)
	}

	// A second agent is refused, and does no harm to the first.
	if err := serve(t, two(), dir)(); fault.ExitCode(err) != fault.ExitFailure || !strings.Contains(err.Error(), "an agent is running already") {
		t.Errorf("second agent: %v", err)
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("after the second agent: %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrNoAgent) {
		t.Errorf("without an agent: %v", err)
	}
}

func TestBadRequestsAreAnswered(t *testing.T) {
	dir := t.TempDir()
	sm := newManager(t)
	stop := serve(t, two(), dir)
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	sm.await("READY=1")
	c := NewControlClient(dir)
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"no JSON", "POST", "lease", "eth0", http.StatusBadRequest},
		{"unknown field", "POST", "lease", `{"nick":["eth0"]}`, http.StatusBadRequest},
		{"too long", "POST", "lease", `{"nics":["` + strings.Repeat("x", maxRequest) + `"]}`, http.StatusBadRequest},
		{"unknown path", "GET", "secrets", "", http.StatusNotFound},
		{"wrong method", "GET", "lease", "", http.StatusMethodNotAllowed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://v6guest/v1/"+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != tt.status {
				t.Errorf("status %d, want %d", res.StatusCode, tt.status)
			}
		})
	}
}

func TestARunFolderThatIsTooDeepIsNamed(t *testing.T) {
	err := serve(t, two(), filepath.Join(t.TempDir(), strings.Repeat("x", maxSocketPath)))()
	if fault.ExitCode(err) != fault.ExitUsage || Report(err).Cure != "name a shorter --run-dir" {
		t.Errorf("got %v", err)
	}
}

func TestACommandWhoseAgentEndsIsToldSo(t *testing.T) {
	sm := newManager(t)
	m := two()
	delete(m.servers, 2)
	dir := t.TempDir()
	stop := serve(t, m, dir)
	sm.await("READY=1")
	c := NewControlClient(dir)
	said := make(chan error, 1)
	go func() {
		res, err := c.Lease(t.Context(), LeaseRequest{NICs: []string{"eth0"}, Timeout: Seconds(time.Minute)})
		if err == nil && res[0].Fault != nil { // the agent had time to say it itself
			err = res[0].Fault.Fault()
		}
		said <- err
	}()
	for { // until the command has reached the agent's client
		m.mu.Lock()
		asked := len(m.heard) > 0
		m.mu.Unlock()
		if asked {
			break
		}
		if _, err := c.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := <-said; err == nil || !strings.Contains(err.Error(), "ended before it answered") && !errors.Is(err, ErrNoAgent) {
		t.Errorf("the command was told %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Status(ctx); err == nil || err.Error() != "interrupted" {
		t.Errorf("a command that was interrupted was told %v", err)
	}
}
