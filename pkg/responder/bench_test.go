package responder

import (
	"testing"

	"github.com/v6guest/v6guest/pkg/wire"
)

// BenchmarkExchange is a Solicit with Rapid Commit from bytes to bytes, without sockets.
func BenchmarkExchange(b *testing.B) {
	bench := newBench(b, plain, reserved)
	in := bench.message("Solicit mac=38 ia=1 rapid oro=23,24")
	packet, err := in.Msg.Encode()
	if err != nil {
		b.Fatal(err)
	}
	var buf, out []byte
	b.ReportAllocs()
	for b.Loop() {
		if in.Msg, err = wire.Decode(packet); err != nil {
			b.Fatal(err)
		}
		s, ok := bench.e.Step(0, in)[0].(Send)
		if !ok {
			b.Fatal("no answer")
		}
		if buf, err = s.Msg.AppendAnswer(buf[:0]); err != nil {
			b.Fatal(err)
		}
		out = appendPacket(out[:0], datagram{src: in.From, dst: s.To, payload: buf})
	}
}
