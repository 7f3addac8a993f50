package guest

import (
	"context"
	"errors"
)

// Once is a Controller for where no agent runs: each command is done in this process, on the NICs that
// it names, and nothing but their addresses is changed.
type Once struct{ opts Options }

var _ Controller = (*Once)(nil)

// NewOnce makes a Once. RunDir and Version of the options are not used.
func NewOnce(opts Options) *Once { return &Once{opts} }

// Status has nothing to say: ErrNoAgent is in the error's chain.
func (o *Once) Status(context.Context) (Status, error) { return Status{}, ErrNoAgent }

// WaitOnline waits for nobody: ErrNoAgent is in the error's chain.
func (o *Once) WaitOnline(context.Context) (Online, error) { return Online{}, ErrNoAgent }

// Lease leases on the NICs and leaves the addresses there.
func (o *Once) Lease(ctx context.Context, req LeaseRequest) ([]LeaseResult, error) {
	return o.with(ctx, req, (*Agent).Lease)
}

// Release gives back what the state folder says was leased.
func (o *Once) Release(ctx context.Context, req LeaseRequest) ([]LeaseResult, error) {
	return o.with(ctx, req, (*Agent).Release)
}

// with runs a passive agent for one command.
func (o *Once) with(ctx context.Context, req LeaseRequest, do func(*Agent, context.Context, LeaseRequest) ([]LeaseResult, error)) ([]LeaseResult, error) {
	opts := o.opts
	cfg := *opts.Config
	if len(req.NICs) > 0 {
		cfg.NICs = nil
		for _, name := range req.NICs {
			p, err := ParsePattern(name)
			if err != nil {
				return nil, err
			}
			cfg.NICs = append(cfg.NICs, p)
		}
	}
	opts.Config = &cfg
	a, err := NewAgent(opts)
	if err != nil {
		return nil, err
	}
	a.passive, a.identity = true, o.opts.Config
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- a.loop(ctx)
		cancel() // a loop that fails ends the command too
	}()
	res, err := do(a, ctx, req)
	cancel()
	if failed := <-ended; failed != nil {
		return res, failed
	}
	if errors.Is(err, context.Canceled) {
		err = faultf(ExitFailure, "", "interrupted")
	}
	return res, err
}
