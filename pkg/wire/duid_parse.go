package wire

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// ErrDUIDSyntax is under every error of ParseDUID.
var ErrDUIDSyntax = errors.New("not a DUID")

// duidCure ends every error of ParseDUID.
const duidCure = "write a DUID as 00:03:00:01:06:a0:f0:00:00:38, or the NIC's MAC alone"

// ParseDUID reads a DUID in the spellings that people and programs use, in upper or lower case:
//
//	00:03:00:01:06:a0:f0:00:00:38   dnsmasq, Kea, networkd, dhcpcd
//	0:3:0:1:6:a0:f0:0:0:38          dhclient's lease files
//	00-03-00-01-06-A0-F0-00-00-38   Windows
//	00 03 00 01 06 a0 f0 00 00 38   packet dumps
//	0003000106a0f0000038            plain hex, with or without 0x
//	id:00:03:00:01:06:a0:…          dnsmasq's host lines
//	"\000\003\000\001\006\240…"     dhclient's default-duid, in its quotes
//	06:a0:f0:00:00:38               a bare MAC, in any of the spellings above, and
//	06a0.f000.0038                  as Cisco writes it: the DUID-LL of that MAC
//
// Six bytes are always a MAC, unless they are written with 0x: no kind of DUID has that length. Errors
// are ErrDUIDSyntax and say what to write instead.
func ParseDUID(s string) (DUID, error) {
	b, isMAC, err := parseDUID(strings.TrimSpace(s))
	switch {
	case err != nil:
	case isMAC:
		return LinkLayerDUID(b), nil
	case len(b) < MinDUID:
		err = fmt.Errorf("%d bytes, a DUID has at least %d", len(b), MinDUID)
	case len(b) > MaxDUID:
		err = fmt.Errorf("%d bytes, a DUID has at most %d", len(b), MaxDUID)
	default:
		return DUID(b), nil
	}
	return "", fmt.Errorf("%.80q: %w: %w; %s", s, ErrDUIDSyntax, err, duidCure)
}

// parseDUID returns the bytes and whether they are a MAC.
func parseDUID(s string) (b []byte, isMAC bool, err error) {
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		b, err = parseQuoted(s[1 : len(s)-1])
		return b, false, err
	}
	if rest, ok := cutPrefixFold(s, "id:"); ok {
		s = rest
	}
	if rest, ok := cutPrefixFold(s, "0x"); ok {
		b, err = parseHex(rest)
		return b, false, err
	}
	switch {
	case s == "":
		return nil, false, errors.New("empty")
	case strings.Contains(s, "."):
		mac, err := net.ParseMAC(s)
		if err != nil || len(mac) != 6 {
			return nil, false, errors.New("with dots only a MAC as 06a0.f000.0038 is understood")
		}
		return mac, true, nil
	case strings.ContainsAny(s, ":- "):
		b, err = parseGroups(s, s[strings.IndexAny(s, ":- ")])
	default:
		b, err = parseHex(s)
	}
	return b, len(b) == 6, err
}

// parseGroups reads bytes of one or two hex digits with a separator between them.
func parseGroups(s string, separator byte) ([]byte, error) {
	groups := strings.Split(s, string(separator))
	if len(groups) > MaxDUID {
		return nil, fmt.Errorf("%d bytes, a DUID has at most %d", len(groups), MaxDUID)
	}
	b := make([]byte, 0, len(groups))
	for _, g := range groups {
		v, err := strconv.ParseUint(g, 16, 8)
		if err != nil || len(g) > 2 {
			return nil, fmt.Errorf("%.20q is not one or two hex digits", g)
		}
		b = append(b, byte(v))
	}
	return b, nil
}

func parseHex(s string) ([]byte, error) {
	b, err := hex.DecodeString(s)
	switch {
	case errors.Is(err, hex.ErrLength):
		return nil, fmt.Errorf("%d hex digits, an odd number", len(s))
	case err != nil:
		return nil, errors.New("neither hex digits nor bytes with colons")
	}
	return b, nil
}

// parseQuoted reads what stands between the quotes of dhclient's default-duid: bytes that can be
// printed as they are, others as a backslash and three octal digits.
func parseQuoted(s string) ([]byte, error) {
	var b []byte
	for len(s) > 0 {
		c, n := s[0], 1
		if c == '\\' {
			switch v, err := strconv.ParseUint(s[1:min(4, len(s))], 8, 8); {
			case len(s) >= 4 && err == nil:
				c, n = byte(v), 4
			case len(s) >= 2 && (s[1] == '"' || s[1] == '\\'):
				c, n = s[1], 2
			default:
				return nil, fmt.Errorf("%.20q is not a backslash and three octal digits", s)
			}
		}
		b, s = append(b, c), s[n:]
	}
	return b, nil
}

// cutPrefixFold is strings.CutPrefix without regard to the case of ASCII letters.
func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
