package main

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/responder"
	"github.com/v6guest/v6guest/pkg/wire"
)

func TestStatusForPeople(t *testing.T) {
	next := responder.Seconds(90)
	st := responder.Status{
		Version: "1.0", PID: 7, Uptime: 3661, Summary: "1 of 2 networks served", DUID: wire.DUID("\x00\x03\x00\x01\x02\x00\x00\x00\x00\x01"),
		Problems: []responder.Problem{{What: "network far: its interface is missing (eth9)", Try: "it is served as soon as eth9 appears"}},
		Identity: responder.IdentityFrame, HostsFile: "/etc/v6responder/hosts", HostsLines: 3, AddedHosts: 1, Refused: 2,
		Store: &responder.StoreStatus{Leases: 5, Bytes: 65536},
		Networks: []responder.NetworkStatus{
			{
				Name: "guests", Interface: "eth1", State: "served", Prefix: netip.MustParsePrefix("2001:db8:1::/64"), Assign: responder.AssignHosts,
				MAC: "02:00:00:00:00:01", LinkLocal: "fe80::ff:fe00:1", Pool: &responder.PoolStatus{Used: 5, Size: 4096}, Prefixes: &responder.PoolStatus{Size: 256},
				RA: &responder.RAStatus{
					RouterLifetime: 1800, Sent: 4, Solicitations: 1, Next: &next, Deprecated: []netip.Prefix{netip.MustParsePrefix("2001:db8:2::/64")},
					Routers: []responder.RouterStatus{{Address: netip.MustParseAddr("fe80::9"), Default: true, Heard: 20}},
				},
			},
			{Name: "far", Interface: "eth9", State: "its interface is missing", Prefix: netip.MustParsePrefix("2001:db8:9::/64"), Assign: responder.AssignEUI64},
		},
		Received: map[string]uint64{"Solicit": 3, "Request": 12, "Renew": 3},
		Sent:     map[string]uint64{"Reply": 12},
	}
	var out bytes.Buffer
	(&env{Program: newProgram(&out, &out)}).printStatus(&st)
	want := `v6responder 1.0, process 7, up 1h1m1s
1 of 2 networks served
problem: network far: its interface is missing (eth9)
  try: it is served as soon as eth9 appears
server DUID 00:03:00:01:02:00:00:00:00:01, identity = frame, frames are not verified
reservations: 3 of /etc/v6responder/hosts, 1 added by command
lease store: 5 leases, 65536 bytes, 0 changes wait for the disk
2 clients got nothing within the last hour: v6responder leases list says why

guests (eth1): served
  prefix   2001:db8:1::/64, assign = hosts
  answers  from fe80::ff:fe00:1, 02:00:00:00:00:01
  pool     5 of 4096 in use
  pd_pool  0 of 256 in use
  RA       router lifetime 30m0s, 4 sent, 1 solicitations, next in 1m30s
  RA       2001:db8:2::/64 is deprecated
  other    default router fe80::9, heard 20s ago

far (eth9): its interface is missing
  prefix   2001:db8:9::/64, assign = eui64

received 12 Request, 3 Renew, 3 Solicit
sent     12 Reply
dropped  none
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
