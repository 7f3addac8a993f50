package distro

// A backend edits the configuration of one stack. Its render gets all NICs that the stack is in charge
// of, since files speak for several; it puts its edits into the workspace and what there is to say into
// the NICs' plans. An error joins RefusalErrors.
type backend interface {
	stack() Stack
	render(w *workspace, nics []*NICPlan) error
}

// backends is every back end there is, and connman, which is only reported.
func backends() []backend {
	return []backend{
		noStack{},
		ifupdownBackend{},
		initscriptsBackend{},
		networkdBackend{},
		nmBackend{},
		dhcpcdBackend{},
		ifupdown2Backend{},
		ifupdownNGBackend{},
		wickedBackend{},
		reported{Connman},
	}
}

// noStack is for NICs that no stack configures: the switches and the agent are the whole configuration.
type noStack struct{}

func (noStack) stack() Stack { return None }

func (noStack) render(w *workspace, nics []*NICPlan) error {
	for _, n := range nics {
		if err := w.netplanProblem(); err != nil { // netplan's stack may be in charge, nobody knows
			return err
		}
		if n.Want.Lease == LeaseDistro {
			return refuse(ErrUnsupported, n.name(), "", 0, "set lease = agent", "no stack is in charge of the NIC, so no client of the distribution can lease")
		}
		n.note("no file needs a change: no stack configures the NIC, v6guest brings it up")
	}
	return nil
}

// reported is for a stack that v6guest knows and never configures.
type reported struct{ name Stack }

func (r reported) stack() Stack { return r.name }

func (r reported) render(_ *workspace, nics []*NICPlan) error {
	for _, n := range nics {
		if n.Want.Lease == LeaseDistro {
			return refuse(ErrUnsupported, n.name(), "", 0, "set lease = agent", "v6guest does not configure %s", r.name)
		}
		n.agentDoesRA()
		n.note("v6guest does not configure " + string(r.name) + "; if its DHCPv6 client runs on the NIC, switch that off by hand")
	}
	return nil
}
