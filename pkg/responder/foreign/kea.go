package foreign

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
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
			c.Leave(where, "%v; correct the line or take it out", err)
			continue
		case columns == nil:
			if columns = f; !slices.Contains(columns, "duid") || !slices.Contains(columns, "iaid") {
				c.Leave(where, "this is no file of Kea's DHCPv6 leases, whose first line names the columns; name the file of lease-database in Kea's configuration")
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
			c.Leave(where, "%s; %s", reason, cureLease)
		}
		if reason == "" && l.Prefix.IsValid() {
			l.Where = where
			last[addr] = len(c.Leases)
			c.Leases = append(c.Leases, l)
		}
	}
	if columns == nil {
		c.Leave(name+":1", "it is empty; name the file of lease-database in Kea's configuration")
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
