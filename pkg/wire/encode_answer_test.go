package wire

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// sameBytes holds AppendAnswer against the library's encoder.
func sameBytes(t *testing.T, m *Message) {
	t.Helper()
	want, wantErr := m.Encode()
	got, err := m.AppendAnswer([]byte("before"))
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("%v: %v, the library: %v", m, err, wantErr)
	}
	if err == nil && !bytes.Equal(got, append([]byte("before"), want...)) {
		t.Fatalf("%v:\n%x, the library:\n%x", m, got[6:], want)
	}
}

func answer() *Message {
	return &Message{
		Type: dhcpv6.MessageTypeReply, TransactionID: dhcpv6.TransactionID{1, 2, 3},
		ClientID: "\x00\x03\x00\x01\x06\xa0\xf0\x00\x00\x38", ServerID: "\x00\x03\x00\x01\x02\x00\x00\x00\x00\x01",
		RapidCommit: true, Preference: 255,
		IANAs: []IANA{{ID: 7, T1: time.Hour, T2: 2 * time.Hour, Addresses: []Address{{
			Addr: netip.MustParseAddr("2001:db8::38"), Preferred: 3 * time.Hour, Valid: Infinite,
		}}}},
		DNS: []netip.Addr{netip.MustParseAddr("2001:db8::53")}, Search: []string{"example.org", "cloud.example.org"},
	}
}

func TestAppendAnswerWritesWhatTheLibraryWrites(t *testing.T) {
	sameBytes(t, answer())
	refused := answer()
	refused.IANAs[0].Addresses, refused.IANAs[0].Status = nil, &Status{Code: 2, Text: "no address is reserved"}
	sameBytes(t, refused)
	bad := answer()
	bad.Search = []string{"-"}
	sameBytes(t, bad)
	r := rand.New(rand.NewPCG(2, 2))
	for range 5000 {
		sameBytes(t, randomMessage(r))
	}
}

func TestAppendAnswerAllocatesNothing(t *testing.T) {
	m, room := answer(), make([]byte, 0, 512)
	if !m.plainAnswer() {
		t.Fatal("an ordinary answer is left to the library")
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = m.AppendAnswer(room) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzAppendAnswer(f *testing.F) {
	for _, b := range packets(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		sameBytes(t, m)
		if IsClientMessage(m.Type) { // its options in a server's message
			m.Type = dhcpv6.MessageTypeReply
			sameBytes(t, m)
		}
	})
}

func BenchmarkAppendAnswer(b *testing.B) {
	m, room := answer(), make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.AppendAnswer(room); err != nil {
			b.Fatal(err)
		}
	}
}
