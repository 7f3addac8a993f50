package holder_test

import (
	"context"
	"net"
	"os"
	"testing"

	"github.com/v6guest/v6guest/pkg/holder"
)

func TestAPortThatIsFreedIsTold(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: run it by make test as root")
	}
	c, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		t.Fatal(err)
	}
	a, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok {
		t.Fatalf("a %T is no address of a UDP socket", c.LocalAddr())
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	freed, err := holder.Freed(ctx, uint16(a.Port))
	if err != nil {
		t.Fatal(err)
	}
	other, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil { // another port's: not told
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := <-freed; !ok {
		t.Fatal("closed without a word")
	}
	cancel()
	for range freed { // it ends
	}
}
