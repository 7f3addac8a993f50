package distro

import (
	"slices"
	"strings"
)

// dhcpcdFile is dhcpcd's only configuration file.
const dhcpcdFile = "/etc/dhcpcd.conf"

// A dhcpcdConf is dhcpcd.conf: global options, then blocks that begin with interface, ssid, profile or
// arping and end only where the next one begins.
type dhcpcdConf struct {
	lines   []string
	options []dhcpcdOption
}

// A dhcpcdOption is one line of it.
type dhcpcdOption struct {
	block  string // the line that begins the block that it stands in; empty for global ones
	key    string
	values []string
	line   int  // index
	own    bool // it stands in a block of v6guest's own
}

// parseDhcpcd reads the file.
func parseDhcpcd(b []byte) *dhcpcdConf {
	c := &dhcpcdConf{lines: splitLines(b)}
	block, own := "", false
	for i, line := range c.lines {
		if text := strings.TrimSpace(line); strings.HasPrefix(text, markBegin) || strings.HasPrefix(text, markEnd) {
			own = strings.HasPrefix(text, markBegin)
			continue
		}
		text, _, _ := strings.Cut(line, "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if slices.Contains([]string{"interface", "ssid", "profile", "arping"}, words[0]) {
			block = strings.Join(words, " ")
			continue
		}
		c.options = append(c.options, dhcpcdOption{block: block, key: words[0], values: words[1:], line: i, own: own})
	}
	return c
}

// global is the last global option of that name; nil if there is none.
func (c *dhcpcdConf) global(key string) *dhcpcdOption {
	for i := range slices.Backward(c.options) {
		if o := &c.options[i]; o.block == "" && o.key == key {
			return o
		}
	}
	return nil
}

// counterparts are the options that take back what others switched off; with noipv6 and ipv4only none does (seen
// with 10.1).
var counterparts = map[string]string{"noipv6rs": "ipv6rs", "nodhcp6": "dhcp6"}

// lastOff is the option of that name that counts for a NIC; nil if there is none, or a later one takes it back.
// v6guest's own blocks do not count.
func (c *dhcpcdConf) lastOff(nic, key string) (off *dhcpcdOption) {
	for i := range c.options {
		switch o := &c.options[i]; {
		case o.own || !o.isFor(nic):
		case o.key == key:
			off = o
		case o.key == counterparts[key]:
			off = nil
		}
	}
	return off
}

// isFor says whether an option counts for a NIC: a global one, or in a block of its.
func (o *dhcpcdOption) isFor(nic string) bool {
	pattern, ofNIC := strings.CutPrefix(o.block, "interface ")
	return o.block == "" || ofNIC && slices.ContainsFunc(strings.Fields(pattern), func(p string) bool { return fnmatch(p, nic) })
}

// where tells for which NICs an option counts.
func (o *dhcpcdOption) where() string {
	if o.block == "" {
		return " on every NIC"
	}
	return " (" + o.block + ")"
}

// denies is the number, from 1, of the line that takes a NIC away from dhcpcd; 0 if none does.
func (c *dhcpcdConf) denies(nic string) int {
	matches := func(o dhcpcdOption) bool {
		return slices.ContainsFunc(strings.Fields(strings.ReplaceAll(strings.Join(o.values, " "), ",", " ")),
			func(p string) bool { return fnmatch(p, nic) })
	}
	for _, o := range c.options {
		if o.block == "" && (o.key == "denyinterfaces" && matches(o) || o.key == "allowinterfaces" && !matches(o)) {
			return o.line + 1
		}
	}
	return 0
}
