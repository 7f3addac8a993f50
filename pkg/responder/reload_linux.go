package responder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra/sender"
)

// Reload reads the configuration and the hosts anew, and returns what is in force then. A configuration
// with a mistake in it, or one that cannot be put in force, leaves the old one as it is: the error says
// why.
func (s *Server) Reload(ctx context.Context) (Reloaded, error) {
	out, err := s.reload(ctx)
	if err != nil {
		s.log.Error("nothing read anew: all stays as it was", "error", err)
		return out, err
	}
	for _, w := range out.Warnings {
		s.log.Warn("configuration", "problem", w)
	}
	s.log.Info("read anew", "networks", out.Networks, "lines", out.Lines, "problems", len(out.Problems))
	return out, nil
}

func (s *Server) reload(ctx context.Context) (Reloaded, error) {
	out := Reloaded{Warnings: []string{}}
	c := (*Config)(nil)
	if s.opts.Load != nil {
		var err error
		if c, err = s.opts.Load(); err != nil {
			return out, err
		}
	}
	var failed error
	err := s.inLoop(ctx, func() {
		if c != nil {
			out.Warnings = append(out.Warnings, c.Warnings...)
			old := s.opts.Config
			failed = s.apply(c)
			if kept, err := loadDUID(s.opts.StateDir); failed == nil && c.DUID == "" && old.DUID != "" && kept != s.duid && err == nil {
				out.Warnings = append(out.Warnings, fmt.Sprintf("duid: the server goes on as %s, which the configuration does not say any more, until it is restarted", s.duid))
			}
		}
		out.Networks = len(s.opts.Config.Networks)
	})
	if err = errors.Join(err, failed); err != nil {
		return out, err
	}
	out.HostsSummary, err = s.Reread(ctx)
	return out, err
}

// apply puts another configuration in force. What can fail comes first, and changes nothing.
func (s *Server) apply(c *Config) error {
	old := s.opts.Config
	if reflect.DeepEqual(old, c) {
		return nil
	}
	duid := c.DUID
	if duid == "" && old.DUID != "" { // then the one that was kept, as after a restart
		var err error
		if duid, err = loadDUID(s.opts.StateDir); err != nil {
			return err
		}
	}
	if duid == "" && s.duid == "" && !c.servesNIC() {
		return &fault.Fault{Err: errors.New("the server would have no DUID"), Cure: "write duid = … into [server]", Exit: fault.ExitUsage}
	}
	s.opts.Config = c
	err := s.openStore()
	if err == nil {
		err = s.followForwarding()
	}
	if err == nil {
		err = s.listenMetrics(c.Metrics)
	}
	if err == nil && c.Hosts != old.Hosts {
		if err = s.followHosts(); err != nil {
			err = errors.Join(err, s.listenMetrics(old.Metrics))
		}
	}
	if err != nil {
		s.opts.Config = old
		return fmt.Errorf("the configuration stays as it was: %w", err)
	}
	if duid != "" && duid != s.duid {
		s.identify(duid)
	} else {
		s.step(ConfigChanged{c.Engine(s.duid)})
	}
	s.log.Info("configuration read anew", "networks", len(c.Networks))
	if err := s.applyPorts(c); err != nil {
		s.log.Warn("configuration", "error", err)
	}
	return nil
}

// applyPorts begins, changes and ends the service of NICs.
func (s *Server) applyPorts(c *Config) error {
	gone := maps.Clone(s.ports)
	var errs []error
	for i := range c.Networks {
		n := &c.Networks[i]
		p := s.ports[n.Interface]
		switch delete(gone, n.Interface); {
		case n.Interface == "":
		case p != nil:
			errs = append(errs, p.change(n))
		default:
			s.addPort(n)
			errs = append(errs, s.plug(n.Interface))
		}
	}
	for name, p := range gone {
		p.log.Info("served no more", "network", p.network.Name)
		p.farewell()
		p.close()
		delete(s.ports, name)
	}
	return errors.Join(errs...)
}

// plug serves a NIC that may be there already.
func (s *Server) plug(name string) error {
	for _, nic := range s.nics {
		if nic.Name == name {
			return s.linkEvent(link.NICChanged{NIC: nic})
		}
	}
	s.ports[name].log.Warn("interface is missing; it is served when it appears")
	return nil
}

// change puts another configuration of the NIC's network in force. What it advertised and does not any
// more is withdrawn (decision 14 of the design).
func (p *port) change(n *NetworkConfig) error {
	p.network = n
	var err error
	if p.nic.Up {
		err = p.join() // relays may have come
	}
	switch {
	case !n.RA.Send:
		p.farewell()
	case p.ra != nil:
		p.ra.runner.Notify(sender.Reconfigure{Config: n.sender()})
	}
	return errors.Join(err, p.advertise())
}

// farewell ends the sender of Router Advertisements, which tells guests that this router is none any more.
func (p *port) farewell() { p.spawn(p.cease(true)) }
