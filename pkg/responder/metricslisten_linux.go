package responder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/fault"
)

// A metricsListener answers Prometheus at one address.
type metricsListener struct {
	addr netip.AddrPort
	l    net.Listener
	stop context.CancelFunc
}

// listenMetrics makes the metrics readable where the configuration says, and nowhere else any more. With an
// error all is as it was.
func (s *Server) listenMetrics(addr netip.AddrPort) error {
	old := s.prometheus
	if old != nil && old.addr == addr || old == nil && !addr.IsValid() {
		return nil
	}
	if !addr.IsValid() {
		old.close()
		s.prometheus = nil
		return nil
	}
	l, err := net.Listen("tcp", addr.String())
	if errors.Is(err, unix.EADDRINUSE) && old != nil && old.addr.Port() == addr.Port() {
		// The old address may be part of the new one: [::1] of [::].
		old.close()
		if l, err = net.Listen("tcp", addr.String()); err != nil {
			s.prometheus = nil
			if again := s.listenMetrics(old.addr); again != nil {
				s.log.Error("metrics are read nowhere any more", "error", again)
			}
		}
	}
	if err != nil {
		return &fault.Fault{Err: fmt.Errorf("metrics: %w", err), Cure: "write another address and port at metrics in [server], or take the line out"}
	}
	if s.prometheus != nil {
		s.prometheus.close()
	}
	ctx, cancel := context.WithCancel(s.ctx)
	s.prometheus = &metricsListener{addr, l, cancel}
	s.spawn(func() {
		if err := s.ServeMetrics(ctx, l); err != nil {
			s.log.Error("metrics are read nowhere any more", "error", err)
		}
	})
	s.log.Info("metrics", "address", addr)
	return nil
}

// close ends it; the address is free then.
func (m *metricsListener) close() {
	m.stop()
	_ = m.l.Close() // it may be closed already
}
