package responder

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/fault"
)

// hanging is a run folder in which something takes requests, sends what is given, and then nothing.
func hanging(t *testing.T, sends string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, controlSocket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					_, _ = io.WriteString(c, sends)
				}
				<-t.Context().Done()
			}()
		}
	}()
	return dir
}

// TestAServerThatHangsIsNotWaitedForForever: not before its answer, nor in the middle of it.
func TestAServerThatHangsIsNotWaitedForForever(t *testing.T) {
	for _, tt := range []struct{ name, sends string }{
		{"says nothing", ""},
		{"stops in its answer", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var st Status
			err := askWithin(t.Context(), 20*time.Millisecond, hanging(t, tt.sends), "GET", pathStatus, &st)
			f, ok := fault.As(err)
			if !errors.Is(err, errSilent) || !ok || !strings.Contains(f.Cure, "systemctl restart v6responder") {
				t.Errorf("%v", err)
			}
		})
	}
}
