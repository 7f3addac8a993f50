package guest

import "testing"

// TestTheManualSaysWhatTheParserKnows: `go test ./pkg/guest -run Manual -update` writes the page anew.
func TestTheManualSaysWhatTheParserKnows(t *testing.T) {
	golden(t, "../../docs/v6guest.conf.md", Manual())
}
