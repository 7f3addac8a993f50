package distro

import (
	"net"
	"slices"
	"strings"
)

// A verdict is what a [Match] section says of a NIC. What only the running machine knows (its
// virtualization, its kernel command line) makes it unsure.
type verdict int

// The verdicts.
const (
	no verdict = iota
	yes
	unsure
)

// matchNetworkd evaluates the [Match] sections of a .network file and its drop-ins as systemd.network(5) has
// it: every key must match. why names the keys that decided.
func matchNetworkd(f *networkFile, nic NIC, systemd version) (v verdict, why string) {
	v = yes
	var reasons []string
	for _, key := range f.matchKeys() {
		value := strings.Join(f.matchList(key), " ")
		if value == "" {
			continue
		}
		switch matchKey(key, value, nic) {
		case no:
			return no, key + "=" + value
		case unsure:
			v = unsure
			reasons = append(reasons, key+"="+value+" (not known)")
		default:
			reasons = append(reasons, key+"="+value)
		}
	}
	if len(reasons) > 0 {
		return v, strings.Join(reasons, " ")
	}
	const empty = "an empty [Match]"
	switch {
	case systemd.atLeast(246): // networkd ignores the file
		return no, empty
	case systemd.known(): // it matches every NIC; networkd warns from 243 on
		return yes, empty
	}
	return unsure, empty + ", which networkd ignores from 246 on, and the version is not known"
}

// matchKeys is the keys of the [Match] sections, once each.
func (f *networkFile) matchKeys() (keys []string) {
	for _, ini := range f.all {
		for _, s := range ini.sections {
			for _, k := range s.keys {
				if s.name == "Match" && !slices.Contains(keys, k.key) {
					keys = append(keys, k.key)
				}
			}
		}
	}
	return keys
}

// matchList is what a key of the [Match] sections comes to over the file and its drop-ins.
func (f *networkFile) matchList(key string) []string {
	var values []string
	for _, ini := range f.all {
		values = append(values, ini.all("Match", key)...)
	}
	return effectiveList(values)
}

// effectiveList is what repeated list keys come to: they add, an empty one clears.
func effectiveList(values []string) (out []string) {
	for _, v := range values {
		if v == "" {
			out = nil
			continue
		}
		out = append(out, v)
	}
	return out
}

// matchKey evaluates one key.
func matchKey(key, value string, nic NIC) verdict {
	switch key {
	case "Name":
		return patterns(value, nic.Name)
	case "OriginalName":
		return unsure
	case "MACAddress":
		return hardware(value, nic.MAC)
	case "PermanentMACAddress":
		return hardware(value, nic.permanent())
	case "Type":
		return patterns(value, nic.kindOfDevice())
	case "Kind":
		return patterns(value, nic.Kind)
	case "Driver":
		return known(value, nic.Driver)
	case "Path":
		return known(value, nic.Path)
	case "WLANInterfaceType", "SSID", "BSSID":
		return no
	}
	return unsure
}

// known is patterns for what may not be known of a NIC.
func known(value, have string) verdict {
	if have == "" {
		return unsure
	}
	return patterns(value, have)
}

// patterns matches a list of shell patterns; a leading "!" negates the whole list.
func patterns(value, have string) verdict {
	value, negated := strings.CutPrefix(value, "!")
	found := slices.ContainsFunc(strings.Fields(value), func(p string) bool {
		return fnmatch(strings.Trim(p, `"`), have)
	})
	if found != negated {
		return yes
	}
	return no
}

// hardware matches a list of link-layer addresses.
func hardware(value string, have net.HardwareAddr) verdict {
	if len(have) == 0 {
		return unsure
	}
	for _, word := range strings.Fields(value) {
		if mac, err := net.ParseMAC(word); err == nil && slices.Equal(mac, have) {
			return yes
		}
	}
	return no
}

// onlyOne reports whether the [Match] sections can match no other NIC: by one whole name or one address.
func (f *networkFile) onlyOne() bool {
	for _, key := range []string{"Name", "MACAddress", "PermanentMACAddress"} {
		words := strings.Fields(strings.Join(f.matchList(key), " "))
		if len(words) == 1 && !strings.ContainsAny(words[0], `*?[!"`) {
			return true
		}
	}
	return false
}
