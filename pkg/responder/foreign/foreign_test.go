package foreign

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const dnsmasqLeases = `1800000000 06:a0:f0:00:00:38 192.0.2.38 vm-38 01:06:a0:f0:00:00:38
duid 00:01:00:01:2d:11:22:33:06:a0:f0:00:00:01
1800000000 4026531896 2001:db8:1::1038 vm-38 00:03:00:01:06:a0:f0:00:00:38
0 57 2001:db8:1::1039 * 00:04:aa:bb:cc:dd:ee:ff:00:11
1800000000 T58 2001:db8:1::1040 * 00:03:00:01:06:a0:f0:00:00:40
1800000000 x 2001:db8:1::1041 * 00:03:00:01:06:a0:f0:00:00:41
half a line
`

const keaLeases = `address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,pool_id
2001:db8:1::1038,00:03:00:01:06:a0:f0:00:00:38,4000,1700000000,1,3000,0,7,128,0,0,vm-38,06:a0:f0:00:00:38,0,,0
2001:db8:1::1039,00:04:aa:bb:cc:dd:ee:ff:00:11,4000,1800000000,1,3000,0,8,128,0,0,,06:a0:f0:00:00:39,0,,0
2001:db8:1::1038,00:03:00:01:06:a0:f0:00:00:38,4000,1800004000,1,3000,0,7,128,0,0,vm-38,06:a0:f0:00:00:38,0,,0
2001:db8:1::1040,00:03:00:01:06:a0:f0:00:00:40,4000,1800000000,1,3000,0,7,128,0,0,,,0,,0
2001:db8:1::1040,00:03:00:01:06:a0:f0:00:00:40,0,1800000000,1,0,0,7,128,0,0,,,0,,0
2001:db8:8::,00:03:00:01:06:a0:f0:00:00:41,4000,1800000000,1,3000,2,7,56,0,0,,,0,,0
2001:db8:a::1,00:03:00:01:06:a0:f0:00:00:41,4000,1800000000,1,3000,2,7,56,0,0,,,0,,0
2001:db8:b::,00:03:00:01:06:a0:f0:00:00:41,4000,1800000000,1,3000,1,7,128,0,0,,,0,,0
2001:db8:1::1042,00:03:00:01:06:a0:f0:00:00:42,x,1800000000,1,3000,0,7,128,0,0,,,0,,0
2001:db8:1::1043,00:03:00:01:06:a0:f0:00:00:43,4294967295,0,1,3000,0,7,128,0,0,,,0,,0
`

const keaConfig = `{ // Kea's
"Dhcp6": { # with comments
  "reservations": [ {"duid": "00:04:aa:bb:cc:dd:ee:ff:00:11", "ip-addresses": ["2001:db8:1::39"]} ],
  "subnet6": [ { "subnet": "2001:db8:1::/64", /* a subnet
    of two */ "reservations": [
    {"hw-address": "06:a0:f0:00:00:38", "ip-addresses": ["2001:db8:1::38"], "hostname": "vm-38", "prefixes": ["2001:db8:8::/56"]},
    {"hw-address": "06:a0:f0:00:00:40", "hostname": "http://x"},
    {"flex-id": "'x'", "ip-addresses": ["2001:db8:1::41"]} ] } ],
  "shared-networks": [ { "subnet6": [ { "reservations": [ {"hw-address": "06:a0:f0:00:00:42", "ip-addresses": ["2001:db8:2::42"]} ] } ] } ]
} }`

const keaWithMistakes = `{"Dhcp6": {"reservations": [
  {"hw-address": "06:a0:f0:00:00:38", "ip-addresses": ["2001:db8:1::38"]},
  {"hw-address": "06:a0:f0:00:00:40", "ip-addresses": "2001:db8:1::40"},
  {"hw-address": 7, "ip-addresses": ["2001:db8:1::41"]},
  "half", {"hw-address": "06:a0:f0:00:00:39", "ip-addresses": ["2001:db8:1::39"]}, {"hw-address": "06:a0:f0:00:00:42", "ip-addresses": ["2001:db8:1::42"]} ],
  "subnet6": [
    7,
    {"reservations": {}, "id": 7},
    {"id": 8, "reservations": [{"hw-address": "06:a0:f0:00:00:43", "ip-addresses": ["2001:db8:1::43"], "option-data": [7]},
    }]},
    {"reservations": [{"hw-address": "06:a0:f0:00:00:44", "ip-addresses": ["2001:db8:1::44"]}]} ] } }
`

// keaNames are hostnames that a line would say something else by.
const keaNames = `{"Dhcp6": {"reservations": [
  {"hw-address": "06:a0:f0:00:00:31", "ip-addresses": ["2001:db8:1::31"], "hostname": "10m"},
  {"hw-address": "06:a0:f0:00:00:32", "ip-addresses": ["2001:db8:1::32"], "hostname": "infinite."},
  {"hw-address": "06:a0:f0:00:00:33", "ip-addresses": ["2001:db8:1::33"], "hostname": "ignore"},
  {"hw-address": "06:a0:f0:00:00:34", "ip-addresses": ["2001:db8:1::34"], "hostname": "192.0.2.34"},
  {"hw-address": "06:a0:f0:00:00:35", "ip-addresses": ["2001:db8:1::35"], "hostname": "set:red"},
  {"hw-address": "06:a0:f0:00:00:36", "ip-addresses": ["2001:db8:1::36"], "hostname": "vm,ignore"},
  {"hw-address": "06:a0:f0:00:00:37", "ip-addresses": ["2001:db8:1::37],set:red,[2001:db8:1::3"]},
  {"hw-address": "06:a0:f0:00:00:38", "ip-addresses": ["2001:db8:1::38"], "hostname": "id:00:03:00:01:06:a0:f0:00:00:39"},
  {"hw-address": "06:a0:f0:00:00:39,ignore", "ip-addresses": ["2001:db8:1::39"]} ] } }
`

func TestWhatOthersHaveWrittenIsRead(t *testing.T) {
	for _, tt := range []struct {
		name string
		read func(string, []byte) Content
		text string
		want []string
	}{
		{"dnsmasq", Dnsmasq, dnsmasqLeases, []string{
			"f:3 2001:db8:1::1038/128 00:03:00:01:06:a0:f0:00:00:38 f0000038 06a0f0000038 1800000000",
			"f:4 2001:db8:1::1039/128 00:04:aa:bb:cc:dd:ee:ff:00:11 00000039 000000000000 never",
			`left f:5: "2001:db8:1::1040" is a temporary address (IA_TA), which nobody serves here; its client does without`,
			`left f:6: "x" is no IAID; correct it, or let its client get another`,
			`left f:7: "half a line" is no lease, which has five words (when it ends, IAID, address, name, DUID); correct it or take it out`,
			`note f:2: the server's DUID is kept by duid = "00:01:00:01:2d:11:22:33:06:a0:f0:00:00:01" in [server]`,
		}},
		{"kea-leases", KeaLeases, keaLeases, []string{
			"f:3 2001:db8:1::1039/128 00:04:aa:bb:cc:dd:ee:ff:00:11 00000008 06a0f0000039 1800000000",
			"f:4 2001:db8:1::1038/128 00:03:00:01:06:a0:f0:00:00:38 00000007 06a0f0000038 1800004000",
			"f:7 2001:db8:8::/56 00:03:00:01:06:a0:f0:00:00:41 00000007 06a0f0000041 1800000000",
			"f:11 2001:db8:1::1043/128 00:03:00:01:06:a0:f0:00:00:43 00000007 06a0f0000043 never",
			`left f:8: 2001:db8:a::1/56 has bits set behind its length; correct it, or let its client get another`,
			`left f:9: "2001:db8:b::" is neither an address of an IA_NA nor a prefix (lease_type "1"); correct it, or let its client get another`,
			`left f:10: "2001:db8:1::1042": valid_lifetime is no number; correct it, or let its client get another`,
		}},
		{"kea-config", KeaConfig, keaConfig, []string{
			"host id:00:04:aa:bb:cc:dd:ee:ff:00:11,[2001:db8:1::39]",
			"host 06:a0:f0:00:00:38,[2001:db8:1::38],vm-38",
			"host 06:a0:f0:00:00:42,[2001:db8:2::42]",
			`left f:6: reservation for "06:a0:f0:00:00:38": taken over without its prefixes; no prefix can be reserved: pd_pool gives its client one`,
			`left f:7: reservation for "06:a0:f0:00:00:40": it has no address; give it one by ip-addresses, or let its client get one of a pool`,
			`left f:8: a reservation by neither hw-address nor duid; add it by v6responder hosts add MAC,[ADDRESS]`,
		}},
		{"names of Kea's", KeaConfig, keaNames, []string{
			"host 06:a0:f0:00:00:31,[2001:db8:1::31],10m.", "host 06:a0:f0:00:00:32,[2001:db8:1::32],infinite.",
			"host 06:a0:f0:00:00:33,[2001:db8:1::33],ignore.", "host 06:a0:f0:00:00:34,[2001:db8:1::34],192.0.2.34.",
			`left f:6: reservation for "06:a0:f0:00:00:35": name "set:red": character that no host or domain name has; correct its hostname, or take it out`,
			`left f:7: reservation for "06:a0:f0:00:00:36": it cannot stand in a line; take #, commas and line ends out of it`,
			`left f:8: reservation for "06:a0:f0:00:00:37": it cannot stand in a line; take #, commas and line ends out of it`,
			`left f:9: reservation for "06:a0:f0:00:00:38": name "id:00:03:00:01:06:a0:f0:00:00:39": character that no host or domain name has; correct its hostname, or take it out`,
			`left f:10: reservation for "06:a0:f0:00:00:39,ignore": it cannot stand in a line; take #, commas and line ends out of it`,
		}},
		{"no leases of Kea's", KeaLeases, "a,b\n1,2\n", []string{"left f:1: this is no file of Kea's DHCPv6 leases, whose first line names the columns; name the file of lease-database in Kea's configuration"}},
		{"an empty file of Kea's", KeaLeases, "", []string{"left f:1: it is empty; name the file of lease-database in Kea's configuration"}},
		{"no configuration of Kea's", KeaConfig, `{"Dhcp4": {}}`, []string{"left f: there is no Dhcp6 in it; name the configuration of kea-dhcp6"}},
		{"a list instead of a configuration", KeaConfig, "[]", []string{
			`left f:1: "f" must begin with {; correct it as Kea's manual has it`, "left f: there is no Dhcp6 in it; name the configuration of kea-dhcp6",
		}},
		{"no JSON", KeaConfig, "\n\nduid 00:01\n", []string{
			`left f:3: "f" must begin with {; correct it as Kea's manual has it`,
			"left f:3: invalid character 'd' looking for beginning of value; correct that and import it again: what stands behind it is not read",
		}},
		{"an empty configuration", KeaConfig, "", []string{
			`left f:1: "f" must begin with {; correct it as Kea's manual has it`,
			"left f:1: it ends in the middle; correct that and import it again: what stands behind it is not read",
		}},
		{"one that is wrong takes no other with it", KeaConfig, keaWithMistakes, []string{
			"host 06:a0:f0:00:00:38,[2001:db8:1::38]", "host 06:a0:f0:00:00:39,[2001:db8:1::39]", "host 06:a0:f0:00:00:42,[2001:db8:1::42]", "host 06:a0:f0:00:00:43,[2001:db8:1::43]",
			`left f:3: reservation for "06:a0:f0:00:00:40": its ip-addresses is of the wrong kind (string); correct it as Kea's manual has it`,
			`left f:4: a reservation: its hw-address is of the wrong kind (number); correct it as Kea's manual has it`,
			`left f:5: a reservation is of the wrong kind (string); correct it as Kea's manual has it`,
			`left f:7: "subnet6" must begin with {; correct it as Kea's manual has it`,
			`left f:8: "reservations" must begin with [; correct it as Kea's manual has it`,
			`left f:9: reservation for "06:a0:f0:00:00:43": taken over without its option-data; write a [class TAG] with them, and set:TAG into its line`,
			`left f:10: invalid character '}' looking for beginning of value; correct that and import it again: what stands behind it is not read`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.read("f", []byte(tt.text))
			var got []string
			for _, l := range c.Leases {
				ends := "never"
				if !l.Ends.IsZero() {
					ends = fmt.Sprint(l.Ends.Unix())
				}
				got = append(got, fmt.Sprintf("%s %s %s %s %x %s", l.Where, l.Prefix, l.DUID, l.IAID, l.MAC, ends))
			}
			for _, h := range c.Hosts {
				got = append(got, "host "+h.Text)
			}
			for _, l := range c.Left {
				got = append(got, "left "+l)
			}
			for _, l := range c.Notes {
				got = append(got, "note "+l)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func FuzzReaders(f *testing.F) {
	for _, s := range []string{dnsmasqLeases, keaLeases, keaConfig, `{"Dhcp6": {"reservations": [{}]}}`, "/*", `"\`, "#"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, read := range []func(string, []byte) Content{Dnsmasq, KeaLeases, KeaConfig} {
			c := read("f", text)
			for _, l := range c.Leases {
				if !l.Prefix.Addr().Is6() || !l.DUID.Valid() || l.Where == "" {
					t.Errorf("lease %+v", l)
				}
			}
			for _, h := range c.Hosts {
				if strings.ContainsAny(h.Text, "\r\n") {
					t.Errorf("line %q", h.Text)
				}
			}
		}
	})
}
