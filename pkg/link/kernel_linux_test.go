package link

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel says nothing to an empty message that asks for no acknowledgement.
func TestAKernelThatDoesNotAnswerCostsOneRequest(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	p.k.patience = 10 * time.Millisecond
	if _, err := p.k.request(t.Context(), 0, unix.NLMSG_NOOP, 0); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("no answer gives %v, want %v", err, ErrNoAnswer)
	}
	p.k.patience = patience
	if _, err := p.k.NICs(t.Context()); err != nil {
		t.Errorf("the request after it: %v", err)
	}
}

// A deadline on a socket is a timer that stays when the answer is there: it wakes an idle process up.
func TestRequestsLeaveNoDeadlineBehind(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	s := p.k.socket.Load()
	if send, receive := s.Socket.GetTimeouts(); send != 0 || receive != 0 {
		t.Errorf("each request arms deadlines of %v and %v", send, receive)
	}
}
