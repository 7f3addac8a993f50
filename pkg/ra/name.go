package ra

import (
	"fmt"
	"strings"
)

// Limits of a domain name (RFC 1035, section 3.1).
const (
	maxLabel = 63
	maxName  = 255 // in wire format, with the length bytes and the root label
)

// readNames reads the names of a DNSSL option: labels with their lengths, a root label after each
// name, zeros behind the last (RFC 8106, section 5.2). One bad name spoils the list.
func readNames(b []byte) (names []string, reason string) {
	for len(b) > 0 && b[0] != 0 {
		name, n, reason := readName(b)
		if reason != "" {
			return nil, reason
		}
		names, b = append(names, name), b[n:]
	}
	for _, c := range b {
		if c != 0 {
			return nil, "padding is not zero"
		}
	}
	if len(names) == 0 {
		return nil, "no name"
	}
	return names, ""
}

// readName reads the first name of b and returns how many bytes it takes.
func readName(b []byte) (name string, n int, reason string) {
	var text [maxName]byte
	length := 0
	for n < len(b) && b[n] != 0 {
		label := int(b[n])
		switch {
		case label > maxLabel:
			return "", 0, "compression pointer, or label longer than 63 bytes"
		case label > len(b)-n-1:
			return "", 0, "label runs over the end"
		case n+1+label+1 > maxName:
			return "", 0, "name longer than 255 bytes"
		}
		if reason := checkLabel(b[n+1 : n+1+label]); reason != "" {
			return "", 0, reason
		}
		if length > 0 {
			text[length] = '.'
			length++
		}
		length += copy(text[length:], b[n+1:n+1+label])
		n += 1 + label
	}
	if n == len(b) {
		return "", 0, "name without end"
	}
	return string(text[:length]), n + 1, ""
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
			return "character that no domain name has"
		}
	}
	return ""
}

// CheckName reports whether name, with or without a final dot, can be sent as a search domain: labels
// of 1 to 63 letters, digits, hyphens (not at an end) and underscores, 255 bytes in wire format.
func CheckName(name string) error {
	_, err := appendName(nil, name)
	return err
}

// appendName appends a name in wire format.
func appendName(b []byte, name string) ([]byte, error) {
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
	b = append(b, 0)
	if len(b)-start > maxName {
		return nil, fmt.Errorf("name %.100q...: longer than 255 bytes", name)
	}
	return b, nil
}
