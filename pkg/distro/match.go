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

// matchNetworkd evaluates the [Match] section of a .network file as systemd.network(5) has it: every key
// must match. why names the keys that decided.
func matchNetworkd(f *iniFile, nic NIC) (v verdict, why string) {
	v = yes
	var reasons []string
	for _, s := range f.sections {
		if s.name != "Match" {
			continue
		}
		for _, key := range matchKeys(s) {
			value := strings.Join(effectiveList(f.all("Match", key)), " ")
			switch got := matchKey(key, value, nic); got {
			case no:
				return no, key + "=" + value
			case unsure:
				v = unsure
				reasons = append(reasons, key+"="+value+" (not known)")
			default:
				reasons = append(reasons, key+"="+value)
			}
		}
	}
	if len(reasons) == 0 {
		// A file without conditions matches every NIC but loopback, and warns.
		return v, "an empty [Match]"
	}
	return v, strings.Join(slices.Compact(reasons), " ")
}

// matchKeys is the keys of a [Match] section, once each.
func matchKeys(s iniSection) (keys []string) {
	for _, k := range s.keys {
		if !slices.Contains(keys, k.key) {
			keys = append(keys, k.key)
		}
	}
	return keys
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
	if value == "" {
		return yes
	}
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

// onlyOne reports whether a [Match] section can match no other NIC: by one whole name or one address.
func onlyOne(f *iniFile) bool {
	for _, key := range []string{"Name", "MACAddress", "PermanentMACAddress"} {
		words := strings.Fields(strings.Join(effectiveList(f.all("Match", key)), " "))
		if len(words) == 1 && !strings.ContainsAny(words[0], `*?[!"`) {
			return true
		}
	}
	return false
}
