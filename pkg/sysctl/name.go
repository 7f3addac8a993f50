package sysctl

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the longest name of a NIC in bytes (IFNAMSIZ without the final zero).
const maxName = 15

// checkNIC reports ErrBadName for what the kernel does not take as the name of a NIC. "all" and
// "default" are no NICs: the kernel gives their folders other meanings.
func checkNIC(name string) error {
	bad := func(why string) error { return fmt.Errorf("%w: %q %s", ErrBadName, name, why) }
	switch {
	case name == "":
		return bad("is empty")
	case len(name) > maxName:
		return bad("is longer than 15 bytes")
	case name == "." || name == "..":
		return bad("is a folder")
	case name == "all" || name == "default":
		return bad("stands for no network interface of its own")
	case strings.ContainsAny(name, "/:\x00") || strings.IndexFunc(name, unicode.IsSpace) >= 0:
		return bad("holds a character that is not allowed")
	}
	return nil
}

// checkWritable reports ErrBadName also for what a sysctl.d file would not give back: it has no
// quoting, takes * ? [ as patterns that hit other NICs too, and ends a key at =.
func checkWritable(name string) error {
	if err := checkNIC(name); err != nil {
		return err
	}
	odd := func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }
	if strings.ContainsAny(name, `*?[]=\`) || strings.IndexFunc(name, odd) >= 0 {
		return fmt.Errorf("%w: %q cannot be written in a sysctl.d file", ErrBadName, name)
	}
	return nil
}
