package client

import (
	"bytes"
	"testing"
)

// beside opens the client's raw socket beside an ordinary one, which stands for the other program.
func (n *testNet) beside() Conn {
	n.t.Helper()
	n.listen()
	conn, err := ListenBeside(n.t.Context(), n.nic.Name, n.nic.Index)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	return conn
}

func TestBesideAnotherProgramWhatComesIsHeardAndMessagesLeaveFromPort546(t *testing.T) {
	n := newTestNet(t)
	server, conn := n.server(), n.beside()
	for to, size := range map[string]int{"fe80::a": 1900, "2001:db8::38": 40, "ff02::1": 7} {
		n.sendFrom(to, size)
		want := Datagram{Len: size, From: ip("fe80::b"), To: ip(to)}
		if got := readOne(t, conn); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	sent := []byte{1, 2, 3, 4, 5}
	if err := conn.Write(sent, ip("fe80::a")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2000)
	got, from, err := server.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	if from.Addr().WithZone("") != ip("fe80::a") || from.Port() != Port || !bytes.Equal(b[:got], sent) {
		t.Errorf("% x from %s", b[:got], from)
	}
}

func FuzzPayloadOf(f *testing.F) {
	f.Add([]byte{0x02, 0x23, 0x02, 0x22, 0, 9, 0, 0, 7})
	f.Add([]byte{0x02, 0x23, 0x02, 0x22, 0xff, 0xff, 0, 0, 7})
	f.Fuzz(func(t *testing.T, b []byte) {
		payload, ok := payloadOf(b)
		if ok && (len(payload) > len(b)-udpHeader || b[2] != Port>>8 || b[3] != Port&0xff) {
			t.Errorf("%d bytes of %d", len(payload), len(b))
		}
	})
}
