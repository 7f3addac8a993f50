package wire

import (
	"fmt"
	"strings"
)

// Limits of a domain name in wire format (RFC 1035, section 3.1; RFC 9915, section 10).
const (
	maxLabel = 63
	maxName  = 255 // with the length octets and the root label
)

// scanName checks the name at the start of b, in wire format without compression, and returns how
// many bytes it takes and whether it is fully qualified, that is, ends with the root label; else it
// ends with b. reason says why the name is none. The name must be fit for a resolver's configuration
// file: letters, digits, hyphens and underscores, no label that starts or ends with a hyphen.
func scanName(b []byte) (n int, full bool, reason string) {
	for n < len(b) {
		length := int(b[n])
		switch {
		case length == 0 && n == 0:
			return 0, false, "empty name"
		case length == 0:
			return n + 1, true, fitsName(n + 1)
		case length > maxLabel:
			return 0, false, "compression pointer, or label longer than 63 bytes"
		case length > len(b)-n-1:
			return 0, false, "label runs past the end"
		}
		if reason := checkLabel(b[n+1 : n+1+length]); reason != "" {
			return 0, false, reason
		}
		n += 1 + length
		if n >= maxName { // no need to walk on
			return 0, false, fitsName(n + 1)
		}
	}
	return n, false, fitsName(n + 1)
}

func fitsName(n int) string {
	if n > maxName {
		return "name longer than 255 bytes"
	}
	return ""
}

// checkLabel says why a label does not belong into a resolver's configuration file, "" if it does.
func checkLabel[T []byte | string](label T) string {
	if len(label) == 0 {
		return "empty label"
	}
	if label[0] == '-' || label[len(label)-1] == '-' {
		return "label starts or ends with a hyphen"
	}
	for i := range len(label) {
		switch c := label[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return "character that no host or domain name has"
		}
	}
	return ""
}

// nameText writes a name that scanName accepted with dots, without a final one.
func nameText(b []byte) string {
	var text [maxName]byte
	n := 0
	for len(b) > 0 && b[0] > 0 {
		length := int(b[0])
		if n > 0 {
			text[n] = '.'
			n++
		}
		n += copy(text[n:], b[1:1+length])
		b = b[1+length:]
	}
	return string(text[:n])
}

// readNames reads a list of fully qualified names. One bad name spoils the list, since nothing says
// where the next one starts.
func readNames(b []byte) ([]string, string) {
	names := 0
	for rest := b; len(rest) > 0; names++ {
		n, full, reason := scanName(rest)
		switch {
		case reason != "":
			return nil, reason
		case !full:
			return nil, "name without end"
		}
		rest = rest[n:]
	}
	list := reserve[string](names)
	for len(b) > 0 {
		n, _, _ := scanName(b)
		list = append(list, nameText(b[:n]))
		b = b[n:]
	}
	return list, ""
}

// appendName appends a name in wire format, without the root label where it is partial. A final dot
// is allowed and means nothing.
func appendName(b []byte, name string, partial bool) ([]byte, error) {
	start := len(b)
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		switch reason := checkLabel(label); {
		case reason != "":
			return nil, fmt.Errorf("name %.100q: %s", name, reason)
		case len(label) > maxLabel:
			return nil, fmt.Errorf("name %.100q: label longer than 63 bytes", name)
		}
		b = append(b, byte(len(label)))
		b = append(b, label...)
	}
	if len(b)-start+1 > maxName {
		return nil, fmt.Errorf("name %.100q...: longer than 255 bytes", name)
	}
	if !partial {
		b = append(b, 0)
	}
	return b, nil
}

// CheckName reports whether name, with or without a final dot, can be sent as a host or domain name:
// labels of 1 to 63 letters, digits, hyphens (not at an end) and underscores, 255 bytes in wire format.
func CheckName(name string) error {
	_, err := appendName(nil, name, false)
	return err
}
