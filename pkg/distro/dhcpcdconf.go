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
	line   int // index
}

// parseDhcpcd reads the file.
func parseDhcpcd(b []byte) *dhcpcdConf {
	c := &dhcpcdConf{lines: splitLines(b)}
	block := ""
	for i, line := range c.lines {
		text, _, _ := strings.Cut(line, "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if slices.Contains([]string{"interface", "ssid", "profile", "arping"}, words[0]) {
			block = strings.Join(words, " ")
			continue
		}
		c.options = append(c.options, dhcpcdOption{block: block, key: words[0], values: words[1:], line: i})
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
