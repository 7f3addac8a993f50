package responder

import "testing"

// The server's DUID as format 1 was released must be read for ever: with another one the router would be
// another server for every client.
func TestServerDUIDOfFormat1IsRead(t *testing.T) {
	const want = "00:03:00:01:02:00:00:00:00:01"
	if d, err := loadDUID("testdata/format-1"); err != nil || d.String() != want {
		t.Errorf("loaded %s, %v, want %s", d, err, want)
	}
}
