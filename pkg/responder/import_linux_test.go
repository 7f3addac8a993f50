package responder

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/responder/foreign"
)

// TestGuestsKeepWhatAnotherServerGaveThem after an import, whatever their DUID; a lease whose MAC the other
// server did not write down belongs to the first one that claims it.
func TestGuestsKeepWhatAnotherServerGaveThem(t *testing.T) {
	n := newNet(t)
	config := plain + "pool = 2001:db8:1::b000-2001:db8:1::bfff\n"
	c, err := ParseConfig("conf", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	a, b, thief := newGuest(1), newGuest(2), newGuest(3)
	b.duid = "\x00\x04some-uuid-of-a-vm"
	thief.duid = b.duid
	ends := time.Now().Add(time.Hour).Unix()
	text := fmt.Sprintf("duid 00:01\n%d 1 2001:db8:1::b123 * %s\n%d 1 2001:db8:1::b321 * %s\n", ends, a.duid, ends, b.duid)
	done, err := Import(t.Context(), c, filepath.Join(n.dir, "state"), foreign.Dnsmasq("leases", []byte(text)), false)
	if err != nil || done.Leases != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	n.serve(config, "")
	gets := func(g guest) string {
		t.Helper()
		n.sendFrame(g.frame(t, g.request()))
		if a := n.next().msg.IANAs[0].Addresses; len(a) > 0 {
			return a[0].Addr.String()
		}
		return "nothing"
	}
	if got := gets(a) + " " + gets(b) + " " + gets(thief); got != "2001:db8:1::b123 2001:db8:1::b321 nothing" {
		t.Errorf("they get %s", got)
	}
}

// TestNoPrefixIsImportedOverAnother, be it longer or shorter: leases of an earlier length are in the store still.
func TestNoPrefixIsImportedOverAnother(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	take := func(length int, lines ...string) Imported {
		t.Helper()
		c, err := ParseConfig("conf", fmt.Appendf(nil, "%spd_pool = 2001:db8:8000::/40\npd_length = %d\npd_exclude = 2001:db8:80ff::/48\n", plain, length))
		if err != nil {
			t.Fatal(err)
		}
		text := "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state\n"
		for i, l := range lines {
			text += fmt.Sprintf("%s,00:03:00:01:06:a0:f0:00:00:%02x,4294967295,0,1,3000,2,7,%d,0,0,,,0\n", l, i, length)
		}
		done, err := Import(t.Context(), c, state, foreign.KeaLeases("f", []byte(text)), false)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	if got := take(60, "2001:db8:8000:10::", "2001:db8:8001::", "2001:db8:80ff:10::", "2001:db8:9000::"); got.Leases != 2 || len(got.Left) != 2 {
		t.Errorf("of four: %+v", got)
	}
	got := take(56, "2001:db8:8000::", "2001:db8:8001::", "2001:db8:8002::")
	if got.Leases != 1 || len(got.Left) != 2 || !strings.Contains(got.Left[0], "2001:db8:8000::/56 has a lease already") {
		t.Errorf("shorter ones: %+v", got)
	}
	if got := take(64, "2001:db8:8001:f::", "2001:db8:8002:7::", "2001:db8:8003::"); got.Leases != 1 || len(got.Left) != 2 {
		t.Errorf("longer ones: %+v", got)
	}
}

// TestAnImportedHostIsTheSameInTheStore, with a name too that a hosts line would say something else by.
func TestAnImportedHostIsTheSameInTheStore(t *testing.T) {
	c, err := ParseConfig("conf", []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"10m", "infinite", "ignore", "192.0.2.1", "7", "vm-1.example.", "10m.", "1h.example"} {
		state := filepath.Join(t.TempDir(), "state")
		text := fmt.Sprintf(`{"Dhcp6": {"reservations": [
			{"hw-address": "06:a0:f0:00:00:38", "ip-addresses": ["2001:db8:1::38"], "hostname": %q},
			{"hw-address": "06:a0:f0:00:00:38", "ip-addresses": ["2001:db8:2::38"], "hostname": %q} ]}}`, name, name)
		if done, err := Import(t.Context(), c, state, foreign.KeaConfig("f", []byte(text)), false); err != nil || done.Err() != nil || done.Hosts != 2 {
			t.Errorf("%d: %+v, %v", i, done, err)
		}
		_, found := stored(t, state, storeFile)
		if len(found) != 1 {
			t.Errorf("%s: stored is %q", name, found)
			continue
		}
		h, err := parseAdded(found[0])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := hostLine(h)
		want := HostLine{
			Clients: []string{"06:a0:f0:00:00:38"}, Addresses: []string{"2001:db8:1::38", "2001:db8:2::38"},
			Name: strings.TrimSuffix(name, "."), Tags: got.Tags, Where: addedFile,
		}
		slices.Sort(got.Addresses)
		if !reflect.DeepEqual(got, want) || len(got.Tags) > 0 {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}
