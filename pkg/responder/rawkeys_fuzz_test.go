package responder

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/v6guest/v6guest/pkg/wire"
)

// FuzzRawOption: what option.NN takes reaches the wire byte for byte, and what it does not take is an error
// with its line. Nothing that is taken keeps an answer from being read.
func FuzzRawOption(f *testing.F) {
	for _, seed := range []struct {
		code  uint16
		value string
	}{{59, "68 74 74 70"}, {17, "0000:ab11:0001"}, {3, "00"}, {0, ""}, {65535, "f"}, {60, "\u00a00"}, {24, "01 61 00"}, {56, "; 00"}, {57, strings.Repeat("a0", 1025)}} {
		f.Add(seed.code, seed.value)
	}
	f.Fuzz(func(t *testing.T, code uint16, value string) {
		key := fmt.Sprintf("option.%d", code)
		c, err := ParseConfig("f", []byte("[network guests]\ninterface = eth1\nprefix = 2001:db8:1::/64\nassign = eui64\n"+key+" = "+value+"\n"))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("an error without its line: %v", err)
			}
			return
		}
		raw := c.Networks[0].Raw
		if len(raw) != 1 || uint16(raw[0].Code) != code || len(raw[0].Data) == 0 || len(raw[0].Data) > maxOption {
			t.Fatalf("%q: %v", value, raw)
		}
		if own, is := ownOptions[raw[0].Code]; is {
			t.Fatalf("%d is the server's own (%s)", code, own)
		}
		b := newConfigBench(t, c)
		for _, a := range b.step(b.message(fmt.Sprintf("Information-request mac=38 oro=%d", code))) {
			s, ok := a.(*Send)
			if !ok {
				continue
			}
			packet, err := s.Msg.AppendAnswer(nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := wire.Decode(packet); err != nil {
				t.Fatalf("the answer cannot be read: %v", err)
			}
			if want := append([]byte{byte(code >> 8), byte(code), byte(len(raw[0].Data) >> 8), byte(len(raw[0].Data))}, raw[0].Data...); !bytes.Contains(packet, want) {
				t.Fatalf("option %d is not as it was written in %x", code, packet)
			}
			return
		}
		t.Fatal("no answer")
	})
}
