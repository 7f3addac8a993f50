package guest

import (
	"context"

	"github.com/v6guest/v6guest/pkg/link"
)

// ReadFacts asks the kernel and the state folder for what a plan rests on.
func ReadFacts(ctx context.Context, k *link.Kernel, stateDir string) (Facts, error) {
	f := Facts{Place: thisPlace()}
	var err error
	if f.NICs, err = k.NICs(ctx); err != nil {
		return f, err
	}
	routes, err := k.IPv4DefaultRoutes(ctx)
	if err != nil {
		return f, err
	}
	for _, r := range routes {
		if r.Index != 0 {
			f.IPv4Defaults = append(f.IPv4Defaults, IPv4Default{r.Index, uint32(r.Metric)})
		}
	}
	f.Remembered, f.MemoryError = Remembered(stateDir)
	return f, nil
}
