package responder

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/v6guest/v6guest/pkg/leasestore"
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
	var decoder wire.Decoder
	b.ReportAllocs()
	for b.Loop() {
		if in.Msg, err = decoder.Decode(packet); err != nil {
			b.Fatal(err)
		}
		s, ok := bench.e.Step(0, &in)[0].(*Send)
		if !ok {
			b.Fatal("no answer")
		}
		if buf, err = s.Msg.AppendAnswer(buf[:0]); err != nil {
			b.Fatal(err)
		}
		out = appendPacket(out[:0], datagram{src: in.From, dst: s.To, payload: buf})
	}
}

// BenchmarkReservations is the same for ten thousand guests in turn, among ever more reservations.
func BenchmarkReservations(b *testing.B) {
	const guests = 10_000
	for _, n := range []int{guests, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var lines strings.Builder
			for i := range n {
				fmt.Fprintf(&lines, "id:00:03:00:01:06:a0:%02x:%02x:%02x:%02x,[2001:db8:1::1:%x:%x],vm-%d\n", i>>24, i>>16&0xff, i>>8&0xff, i&0xff, i>>16, i&0xffff, i)
			}
			bench := newBench(b, plain, lines.String())
			in := bench.message("Solicit mac=38 ia=1 oro=23,24")
			packet, err := in.Msg.Encode()
			if err != nil {
				b.Fatal(err)
			}
			at := bytes.Index(packet, in.FrameMAC)
			var decoder wire.Decoder
			var buf []byte
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				in.FrameMAC = binary.BigEndian.AppendUint32(append(in.FrameMAC[:0], 6, 0xa0), uint32(i%guests*(n/guests)))
				copy(packet[at:], in.FrameMAC)
				if in.Msg, err = decoder.Decode(packet); err != nil {
					b.Fatal(err)
				}
				s, ok := bench.e.Step(0, &in)[0].(*Send)
				if !ok || len(s.Msg.IANAs[0].Addresses) != 1 {
					b.Fatal("no address")
				}
				if buf, err = s.Msg.AppendAnswer(buf[:0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPoolExchange is a Request of a new client of a pool and the result of the store, which here is none,
// beside so many other leases. It reports the memory that a lease takes, too.
func BenchmarkPoolExchange(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			config := strings.Replace(pooled, "pool = ", "pool = 2001:db8:1:0:1::-2001:db8:1:0:1:ffff:ffff:ffff ", 1) + "pool_rate = 0\npool_limit = 0\n"
			config = strings.Replace(config, "valid_lifetime = 10m", "valid_lifetime = 1d", 1)
			bench := newBench(b, config, "")
			in := bench.message("Request mac=38 ia=1 server=own")
			var results [1]leasestore.Result
			ask := func(i int) {
				in.FrameMAC = net.HardwareAddr(binary.BigEndian.AppendUint32([]byte{6, 0xa0}, uint32(i)))
				in.Msg.ClientID = wire.LinkLayerDUID(in.FrameMAC)
				s, ok := bench.e.Step(0, &in)[0].(Store)
				if !ok {
					b.Fatal("nothing to store")
				}
				results[0].ID = s.ID
				bench.e.Step(0, Stored{results[:]})
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for i := range n {
				ask(i)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportAllocs()
			for i := n; b.Loop(); i++ {
				ask(i)
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/lease")
		})
	}
}

// BenchmarkPoolAgain is a Solicit and a Request of each of ten thousand clients that have an address of a pool, in turn.
func BenchmarkPoolAgain(b *testing.B) {
	const guests = 10_000
	config := strings.Replace(pooled, "pool = ", "pool = 2001:db8:1:0:1::-2001:db8:1:0:1:ffff:ffff:ffff ", 1) + "pool_rate = 0\npool_limit = 0\n"
	bench := newBench(b, strings.Replace(config, "valid_lifetime = 10m", "valid_lifetime = 1d", 1), "")
	solicit, request := bench.message("Solicit mac=38 ia=1"), bench.message("Request mac=38 ia=1 server=own")
	var results [1]leasestore.Result
	ask := func(i int, in *Received) {
		in.FrameMAC = net.HardwareAddr(binary.BigEndian.AppendUint32(append(in.FrameMAC[:0], 6, 0xa0), uint32(i%guests)))
		in.Msg.ClientID = wire.LinkLayerDUID(in.FrameMAC)
		switch a := bench.e.Step(0, in)[0].(type) {
		case Store:
			results[0].ID = a.ID
			bench.e.Step(0, Stored{results[:]})
		case *Send:
			if len(a.Msg.IANAs[0].Addresses) != 1 {
				b.Fatal("no address")
			}
		}
	}
	for i := range guests {
		ask(i, &request)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ask(i, &solicit)
		ask(i, &request)
	}
}
