// Package nicbind makes a socket one of a network interface alone.
package nicbind

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Bind binds a socket to the network interface of that index: names go from one to another, even between an
// event and this call. Kernels before 5.1 know names only; there, an interface that does not bear the name any
// more is an error, unix.ENODEV. (By index one that is gone is none: the socket hears nothing.)
func Bind(fd int, name string, index int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, index)
	if errors.Is(err, unix.ENOPROTOOPT) {
		return bindByName(fd, name, index)
	}
	if err != nil {
		return fmt.Errorf("bind to network interface %d: %w", index, err)
	}
	return nil
}

// bindByName binds by name and looks then whether the one that the socket got is the right one.
func bindByName(fd int, name string, index int) error {
	if err := unix.BindToDevice(fd, name); err != nil {
		return fmt.Errorf("bind to %s: %w", name, err)
	}
	bound, err := unix.GetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE) // its name by now
	if err != nil {
		return fmt.Errorf("bind to %s: %w", name, err)
	}
	req, err := unix.NewIfreq(bound)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req)
	}
	if err == nil && int(req.Uint32()) != index {
		err = unix.ENODEV
	}
	if err != nil {
		return fmt.Errorf("bind to %s, network interface %d: %w", name, index, err)
	}
	return nil
}
