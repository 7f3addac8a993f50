package foreign

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/wire"
)

// KeaLeases reads a lease file of Kea's memfile back end. Of several lines of one address the last one holds.
func KeaLeases(name string, text []byte) (c Content) {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	var columns []string
	last := map[string]int{} // by address, in c.Leases; -1 for one that is over
	for {
		f, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		n, _ := r.FieldPos(0)
		where := fmt.Sprintf("%s:%d", name, n)
		switch {
		case err != nil:
			c.left(where, "%v", err)
			continue
		case columns == nil:
			if columns = f; !slices.Contains(columns, "duid") || !slices.Contains(columns, "iaid") {
				c.left(where, "this is no file of Kea's DHCPv6 leases: its first line names the columns")
				return c
			}
			continue
		}
		get := func(column string) string {
			if i := slices.Index(columns, column); i >= 0 && i < len(f) {
				return f[i]
			}
			return ""
		}
		addr := get("address")
		if i, again := last[addr]; again && i >= 0 {
			c.Leases[i].Where = "" // an older line
		}
		last[addr] = -1
		l, reason := keaLease(get)
		if reason != "" {
			c.left(where, "%s", reason)
		}
		if reason == "" && l.Prefix.IsValid() {
			l.Where = where
			last[addr] = len(c.Leases)
			c.Leases = append(c.Leases, l)
		}
	}
	c.Leases = slices.DeleteFunc(c.Leases, func(l Lease) bool { return l.Where == "" })
	return c
}

// keaLease reads one line; without a reason the zero lease is one that has ended.
func keaLease(get func(string) string) (l Lease, reason string) {
	addr := get("address")
	valid, err := strconv.ParseUint(get("valid_lifetime"), 10, 32)
	if err != nil {
		return l, fmt.Sprintf("%.60q: valid_lifetime is no number", addr)
	}
	if valid == 0 || get("state") != "0" && get("state") != "" { // released, declined, reclaimed
		return Lease{}, ""
	}
	bits := 128
	switch kind := get("lease_type"); kind {
	case "0":
	case "2":
		if bits, err = strconv.Atoi(get("prefix_len")); err != nil || bits < 1 || bits > 127 {
			return l, fmt.Sprintf("%.60q: prefix_len is no length", addr)
		}
		l.Delegated = true
	default:
		return l, fmt.Sprintf("%.60q is neither an address of an IA_NA nor a prefix (lease_type %.10q)", addr, kind)
	}
	iaid, err := strconv.ParseUint(get("iaid"), 10, 32)
	if err != nil {
		return l, fmt.Sprintf("%.60q: iaid is no number", addr)
	}
	l.IAID = wire.IAID(iaid)
	if valid != 0xffffffff {
		ends, err := strconv.ParseInt(get("expire"), 10, 64)
		if err != nil {
			return l, fmt.Sprintf("%.60q: expire is no number", addr)
		}
		l.Ends = time.Unix(ends, 0)
	}
	if mac, err := net.ParseMAC(get("hwaddr")); err == nil && len(mac) == 6 {
		l.MAC = [6]byte(mac)
	}
	if err := l.client(addr, bits, get("duid")); err != nil {
		return l, err.Error()
	}
	return l, ""
}

// A reservation is one of Kea's.
type reservation struct {
	DUID      string   `json:"duid"`
	MAC       string   `json:"hw-address"`
	FlexID    string   `json:"flex-id"`
	Addresses []string `json:"ip-addresses"`
	Prefixes  []string `json:"prefixes"`
	Hostname  string   `json:"hostname"`
	Options   []any    `json:"option-data"`
	Classes   []string `json:"client-classes"`
}

type keaSubnet struct {
	Reservations []reservation `json:"reservations"`
}

// KeaConfig reads the reservations of Kea's configuration, global ones and those of subnets, in shared
// networks or not.
func KeaConfig(name string, text []byte) (c Content) {
	var file struct {
		Dhcp6 *struct {
			keaSubnet
			Subnets []keaSubnet `json:"subnet6"`
			Shared  []struct {
				Subnets []keaSubnet `json:"subnet6"`
			} `json:"shared-networks"`
		}
	}
	if err := json.Unmarshal(withoutComments(text), &file); err != nil {
		c.left(name, "%v", err)
		return c
	}
	if file.Dhcp6 == nil {
		c.left(name, "there is no Dhcp6 in it")
		return c
	}
	all := slices.Concat([]keaSubnet{file.Dhcp6.keaSubnet}, file.Dhcp6.Subnets)
	for _, s := range file.Dhcp6.Shared {
		all = append(all, s.Subnets...)
	}
	for _, s := range all {
		for i := range s.Reservations {
			c.reservation(name, &s.Reservations[i])
		}
	}
	return c
}

func (c *Content) reservation(name string, r *reservation) {
	who := ""
	switch {
	case r.MAC != "":
		who = r.MAC
	case r.DUID != "":
		who = "id:" + r.DUID
	}
	where := name + ": reservation for " + strconv.Quote(who)
	switch {
	case who == "":
		c.left(name, "a reservation for neither hw-address nor duid (flex-id %.60q)", r.FlexID)
		return
	case len(r.Addresses) == 0:
		c.left(where, "it has no address")
		return
	}
	for what, there := range map[string]bool{
		"prefixes": len(r.Prefixes) > 0, "option-data": len(r.Options) > 0, "client-classes": len(r.Classes) > 0,
	} {
		if there {
			c.left(where, "its %s is not taken over", what)
		}
	}
	line := who
	for _, a := range r.Addresses {
		line += ",[" + a + "]"
	}
	if r.Hostname != "" {
		line += "," + r.Hostname
	}
	if strings.ContainsAny(line, "\r\n#") {
		c.left(where, "it cannot stand in a line")
		return
	}
	c.Hosts = append(c.Hosts, Line{where, line})
}

// withoutComments blanks out what Kea allows beside JSON: //, # and /* */ outside of strings.
func withoutComments(text []byte) []byte {
	out := bytes.Clone(text)
	blank := func(from, to int) {
		for i := from; i < to; i++ {
			if out[i] != '\n' {
				out[i] = ' '
			}
		}
	}
	for i := 0; i < len(out); i++ {
		rest := out[i:]
		switch {
		case out[i] == '"':
			for i++; i < len(out) && out[i] != '"'; i++ {
				if out[i] == '\\' {
					i++
				}
			}
		case out[i] == '#' || bytes.HasPrefix(rest, []byte("//")):
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			blank(i, i+end)
		case bytes.HasPrefix(rest, []byte("/*")):
			end := bytes.Index(rest, []byte("*/"))
			if end < 0 {
				end = len(rest) - 2
			}
			blank(i, i+end+2)
		}
	}
	return out
}
