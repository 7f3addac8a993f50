package lab

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Tap makes a port of the segment for a virtual machine: frames are read from and written to the file.
// Closing it takes the port away.
func (s *Segment) Tap(ctx context.Context) (*os.File, error) {
	s.lab.mu.Lock()
	s.ports++
	port := fmt.Sprintf("port%d", s.ports)
	s.lab.mu.Unlock()
	var file *os.File
	err := s.Do(ctx, func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("/dev/net/tun: %w", err)
		}
		file = os.NewFile(uintptr(fd), port)
		req, err := unix.NewIfreq(port)
		if err != nil {
			return err
		}
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	})
	if err != nil {
		if file != nil {
			file.Close()
		}
		return nil, fmt.Errorf("%s: tap: %w", s.Name, err)
	}
	link, err := s.link.LinkByName(port)
	if err == nil {
		err = s.link.LinkSetMaster(link, s.bridge)
	}
	if err == nil {
		err = s.link.LinkSetUp(link)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: tap: %w", s.Name, err)
	}
	return file, nil
}
