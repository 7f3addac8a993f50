package responder

import (
	"bytes"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/v6guest/v6guest/pkg/wire"
)

// TestPrometheusReadsTheMetrics by its own parser; they are those that docs/operation.md has, with the
// labels that it names, and none of these is a guest's to choose.
func TestPrometheusReadsTheMetrics(t *testing.T) {
	n := newNet(t)
	s, _ := n.serve(plain+"pool = 2001:db8:1::1000-2001:db8:1::1fff\npd_pool = 2001:db8:8000::/48\npd_length = 60\n", "")
	dir := n.control(s)
	for i := range 40 {
		g := newGuest(i)
		r := g.request()
		r.IAPDs = []wire.IAPD{{ID: 1}}
		n.sendFrame(g.frame(t, r))
		n.next()
	}
	forger := newGuest(99)
	forger.duid = newGuest(1).duid
	n.sendFrame(forger.frame(t, forger.solicit()))
	n.next()
	astray := forger.request()
	astray.ServerID = other
	n.sendFrame(forger.frame(t, astray))
	n.sendFrame(forger.frame(t, forger.solicit())) // is answered when the one before has been read
	n.next()
	for sent := uint64(0); sent == 0; { // the sender of advertisements has begun
		st, err := AskStatus(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if ra := st.Networks[0].RA; ra != nil {
			sent = ra.Sent
		}
	}

	text, err := s.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	got := map[string]string{}
	for name, f := range families {
		if len(f.GetMetric()) > 20 {
			t.Errorf("%s has %d values for 40 guests", name, len(f.GetMetric()))
		}
		labels := map[string]bool{}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
		}
		// A histogram without a TYPE line is read as three families.
		if base, ok := strings.CutPrefix(name, "v6responder_answer_seconds"); ok && base != "_bucket" {
			continue
		}
		got[strings.TrimSuffix(name, "_bucket")] = strings.Join(slices.Sorted(maps.Keys(labels)), " ")
	}
	want := documentedMetrics(t)
	delete(want, "v6responder_ra_dropped_total") // there is one when something was dropped
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-documented +there):\n%s", diff)
	}
}

// documentedMetrics are the names in the table of docs/operation.md with their labels, sorted.
func documentedMetrics(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../../docs/operation.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	code := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "| `v6responder_") {
			continue
		}
		cells := strings.Split(line, "|")
		var labels []string
		for _, m := range code.FindAllStringSubmatch(cells[2], -1) {
			labels = append(labels, m[1])
		}
		slices.Sort(labels)
		for _, m := range code.FindAllStringSubmatch(cells[1], -1) {
			out[m[1]] = strings.Join(labels, " ")
		}
	}
	return out
}
