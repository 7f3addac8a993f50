package guest

import "sync"

// A mailbox takes work for the agent's goroutine from others without making them wait: a client that
// reports while the agent stops it must not wait for the agent, nor the agent for it.
type mailbox struct {
	ready chan struct{} // holds one value when there is work

	mu   sync.Mutex
	work []func()
}

func newMailbox() *mailbox { return &mailbox{ready: make(chan struct{}, 1)} }

// post leaves work; it is done in the order of posting.
func (m *mailbox) post(f func()) {
	m.mu.Lock()
	m.work = append(m.work, f)
	m.mu.Unlock()
	select {
	case m.ready <- struct{}{}:
	default: // it is known already that there is work
	}
}

// take empties the box.
func (m *mailbox) take() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	work := m.work
	m.work = nil
	return work
}
