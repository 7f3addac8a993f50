package client

import (
	"net/netip"
	"sync"
)

// What the Set methods put into the inbox, beside Events and calls.
type (
	carrierSet   bool
	linkLocalSet netip.Addr
)

// An inbox is a queue that takes without waiting, so that a Host may notify from within a call of the
// Runner's. What fills it are kernel events and commands, which are few.
type inbox struct {
	mu    *sync.Mutex
	items *[]any
	ready chan struct{} // holds one value when there is something to take
}

func newInbox() inbox {
	return inbox{mu: new(sync.Mutex), items: new([]any), ready: make(chan struct{}, 1)}
}

// put adds an item.
func (b inbox) put(item any) {
	b.mu.Lock()
	*b.items = append(*b.items, item)
	b.mu.Unlock()
	select {
	case b.ready <- struct{}{}:
	default: // it is known already that there is something
	}
}

// take returns everything that was put since the last take, in order.
func (b inbox) take() []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	items := *b.items
	*b.items = nil
	return items
}
