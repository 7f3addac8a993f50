package responder

import (
	"fmt"
	"io"

	vm "github.com/VictoriaMetrics/metrics"
)

// A poolSight is how full a pool is.
type poolSight struct {
	kind       string // "pool" or "prefix_pool"
	network    string
	used, size uint64
}

// pools says how full the pools are, in the order of the networks.
func (e *Engine) pools() []poolSight {
	var out []poolSight
	for i := range e.cfg.Networks {
		name := e.cfg.Networks[i].Name
		if p := e.bindings.Pool(name); p != nil {
			out = append(out, poolSight{"pool", name, p.Used(), p.Size()})
		}
		if p := e.bindings.Prefixes(name); p != nil {
			out = append(out, poolSight{"prefix_pool", name, p.Used(), p.Size()})
		}
	}
	return out
}

// writePools writes how full the pools are, and what the store does.
func (v sight) writePools(w io.Writer) {
	for _, p := range v.pools {
		vm.WriteGaugeUint64(w, fmt.Sprintf("v6responder_%s_used{network=%q}", p.kind, p.network), p.used)
		vm.WriteGaugeFloat64(w, fmt.Sprintf("v6responder_%s_size{network=%q}", p.kind, p.network), float64(p.size))
	}
	if s := v.store; s != nil {
		vm.WriteGaugeUint64(w, "v6responder_store_leases", uint64(s.Leases))
		vm.WriteGaugeUint64(w, "v6responder_store_records", uint64(s.Records))
		vm.WriteGaugeUint64(w, "v6responder_store_bytes", uint64(s.Bytes))
		vm.WriteGaugeUint64(w, "v6responder_store_queued", uint64(s.Queued))
		vm.WriteCounterUint64(w, "v6responder_store_commits_total", s.Commits)
		vm.WriteCounterUint64(w, "v6responder_store_changes_total", s.Changes)
		vm.WriteCounterUint64(w, "v6responder_store_failures_total", s.Failures)
		vm.WriteCounterUint64(w, "v6responder_store_refused_total", s.Refused)
		astray := uint64(0)
		if s.Astray {
			astray = 1
		}
		vm.WriteGaugeUint64(w, "v6responder_store_astray", astray)
		vm.WriteCounterUint64(w, "v6responder_store_returns_total", s.Returns)
	}
}
