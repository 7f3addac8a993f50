package foreign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A reservation is one of Kea's.
type reservation struct {
	DUID      string            `json:"duid"`
	MAC       string            `json:"hw-address"`
	Addresses []string          `json:"ip-addresses"`
	Prefixes  []json.RawMessage `json:"prefixes"`
	Hostname  string            `json:"hostname"`
	Options   []json.RawMessage `json:"option-data"`
	Classes   []json.RawMessage `json:"client-classes"`
}

// KeaConfig reads the reservations of Kea's configuration, global ones and those of subnets, in shared
// networks or not. Each is read by itself, so that one that is wrong takes no other with it.
func KeaConfig(name string, text []byte) (c Content) {
	text = withoutComments(text)
	w := walker{content: &c, name: name, text: text, dec: json.NewDecoder(bytes.NewReader(text)), line: 1}
	found := false
	w.object(name, func(key string) {
		if key != "Dhcp6" {
			w.skip()
			return
		}
		found = true
		w.object(key, func(key string) {
			switch key {
			case "reservations":
				w.list(key, w.reservation)
			case "subnet6":
				w.list(key, w.subnet)
			case "shared-networks":
				w.list(key, w.sharedNetwork)
			default:
				w.skip()
			}
		})
	})
	if !found && !w.failed {
		c.Leave(name, "there is no Dhcp6 in it; name the configuration of kea-dhcp6")
	}
	return c
}

// A walker goes through the JSON of a configuration, value by value.
type walker struct {
	content *Content
	name    string
	text    []byte
	dec     *json.Decoder
	failed  bool // what follows cannot be read

	counted, line int // the line in which the text's byte number counted is
}

func (w *walker) sharedNetwork() { w.only("shared-networks", "subnet6", w.subnet) }

func (w *walker) subnet() { w.only("subnet6", "reservations", w.reservation) }

// only calls element for each element of one list of the object that is next, what, and passes over all else.
func (w *walker) only(what, list string, element func()) {
	w.object(what, func(key string) {
		if key == list {
			w.list(key, element)
		} else {
			w.skip()
		}
	})
}

// object calls member for each member of the object that is next; member reads its value.
func (w *walker) object(what string, member func(key string)) {
	if !w.opens('{', what) {
		return
	}
	for !w.failed && w.dec.More() {
		if key, ok := w.token().(string); ok {
			member(key)
		}
	}
	w.token()
}

// list calls element for each element of the list that is next; element reads it.
func (w *walker) list(what string, element func()) {
	if !w.opens('[', what) {
		return
	}
	for !w.failed && w.dec.More() {
		element()
	}
	w.token()
}

// opens enters the object or list that is next; what is none is said, and passed over.
func (w *walker) opens(bracket byte, what string) bool {
	switch at := w.next(); {
	case w.failed:
		return false
	case at < len(w.text) && w.text[at] == bracket:
		w.token()
		return true
	default:
		w.content.Leave(w.where(at), "%.60q must begin with %c; correct it as Kea's manual has it", what, bracket)
	}
	w.skip()
	return false
}

func (w *walker) token() json.Token {
	if w.failed {
		return nil
	}
	at := w.next()
	t, err := w.dec.Token()
	w.check(at, err)
	return t
}

func (w *walker) skip() { w.value() }

// value reads the value that is next.
func (w *walker) value() (raw json.RawMessage) {
	if w.failed {
		return nil
	}
	at := w.next()
	err := w.dec.Decode(&raw)
	if s := (*json.SyntaxError)(nil); err != nil && errors.As(json.Unmarshal(w.text[at:], &raw), &s) {
		at += max(0, int(s.Offset)-1) // within the value
	}
	w.check(at, err)
	return raw
}

// check ends the walk where the text is no JSON any more.
func (w *walker) check(at int, err error) {
	if err == nil || w.failed {
		return
	}
	w.failed = true
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		at, err = len(w.text), errors.New("it ends in the middle")
	}
	w.content.Leave(w.where(at), "%v; correct that and import it again: what stands behind it is not read", err)
}

// next is where the value that is next begins.
func (w *walker) next() int {
	at := min(int(w.dec.InputOffset()), len(w.text))
	return at + len(w.text[at:]) - len(bytes.TrimLeft(w.text[at:], " \t\r\n,:"))
}

// where is the file and the line of a byte of the text.
func (w *walker) where(at int) string {
	at = min(at, len(w.text))
	if at < w.counted {
		w.counted, w.line = 0, 1
	}
	w.line += bytes.Count(w.text[w.counted:at], []byte("\n"))
	w.counted = at
	return fmt.Sprintf("%s:%d", w.name, w.line)
}

// reservation reads the reservation that is next.
func (w *walker) reservation() {
	where := w.where(w.next())
	raw, r := w.value(), reservation{}
	if w.failed {
		return
	}
	err := json.Unmarshal(raw, &r)
	who := r.MAC
	if who == "" && r.DUID != "" {
		who = "id:" + r.DUID
	}
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		about := "a reservation"
		if who != "" {
			about = fmt.Sprintf("reservation for %.60q", who)
		}
		if wrong.Field != "" {
			about += ": its " + wrong.Field
		}
		w.content.Leave(where, "%s is of the wrong kind (%s); correct it as Kea's manual has it", about, wrong.Value)
		return
	}
	line := who
	for _, a := range r.Addresses {
		line += ",[" + a + "]"
	}
	fields := 1 + len(r.Addresses)
	if r.Hostname != "" {
		line += "," + hosts.SpeltName(r.Hostname)
		fields++
	}
	switch {
	case err != nil:
		w.content.Leave(where, "%v; correct it as Kea's manual has it", err)
	case who == "":
		w.content.Leave(where, "a reservation by neither hw-address nor duid; add it by v6responder hosts add MAC,[ADDRESS]")
	case len(r.Addresses) == 0:
		w.content.Leave(where, "reservation for %.60q: it has no address; give it one by ip-addresses, or let its client get one of a pool", who)
	case strings.ContainsAny(line, "\r\n#") || strings.Count(line, ",") >= fields:
		w.content.Leave(where, "reservation for %.60q: it cannot stand in a line; take #, commas and line ends out of it", who)
	case r.Hostname != "" && wire.CheckName(r.Hostname) != nil:
		w.content.Leave(where, "reservation for %.60q: %v; correct its hostname, or take it out", who, wire.CheckName(r.Hostname))
	default:
		w.content.Hosts = append(w.content.Hosts, Line{where, line})
		w.content.beside(where, who, &r)
	}
}

// beside says what of a reservation is not taken over, though its addresses are.
func (c *Content) beside(where, who string, r *reservation) {
	for _, part := range []struct {
		name string
		n    int
		cure string
	}{
		{"prefixes", len(r.Prefixes), "no prefix can be reserved: pd_pool gives its client one"},
		{"option-data", len(r.Options), "write a [class TAG] with them, and set:TAG into its line"},
		{"client-classes", len(r.Classes), "write a [class TAG] for each, and set:TAG into its line"},
	} {
		if part.n > 0 {
			c.Leave(where, "reservation for %.60q: taken over without its %s; %s", who, part.name, part.cure)
		}
	}
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
