package link

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

var (
	// ErrNoNIC says that the NIC does not exist (any more).
	ErrNoNIC = errors.New("no such network interface")
	// ErrIPv6Off says that IPv6 is disabled on the NIC (sysctl disable_ipv6) or in the kernel
	// (ipv6.disable=1), so that it takes no IPv6 address or route.
	ErrIPv6Off = errors.New("IPv6 is disabled there")
	// ErrInterrupted says that a listing was interrupted by changes each time that it was tried.
	ErrInterrupted = errors.New("the kernel's list changed each time while it was read")
	// ErrAmbiguousRoute says that the kernel would remove another route than the one that is meant.
	ErrAmbiguousRoute = errors.New("the kernel cannot tell the route from one made of a nexthop object")
	// ErrNoAnswer says that the kernel did not answer a request in time. Whether the change that was
	// asked for is made is not known.
	ErrNoAnswer = errors.New("the kernel did not answer")
	// ErrClosed says that the Kernel was closed.
	ErrClosed = errors.New("the connection to the kernel is closed")
)

// kernelError names what was tried and gives the errors that callers ask for their sentinels. The
// kernel's own error stays in the chain: errors.Is(err, os.ErrPermission) works.
func kernelError(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	what := fmt.Sprintf(format, args...)
	switch {
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%s: %w (%w)", what, ErrNoNIC, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%s: %w (%w)", what, ErrIPv6Off, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// noNextHops reports whether the kernel answered that it does not know nexthop objects.
func noNextHops(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL)
}
