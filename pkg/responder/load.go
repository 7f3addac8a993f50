package responder

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/inifile"
)

// SmallestConfig is a configuration with nothing in it that could be left out.
const SmallestConfig = `[server]
hosts = /etc/v6responder/hosts
[network guests]
interface = eth1
prefix = 2001:db8:1::/64
`

// LoadConfig reads file and then file+".d"/*.conf in the order of their names: a later file overrides
// an earlier one key by key. The error is a Fault that names every mistake with its file and line; its
// exit code is fault.ExitUsage, or fault.ExitNotPermitted where a file may not be read.
func LoadConfig(file string) (*Config, error) {
	var (
		d                draft
		unread, mistakes []error
	)
	files := inifile.Read(file)
	for i, f := range files {
		switch {
		case f.Err == nil:
			mistakes = append(mistakes, d.add(f.Name, f.Text))
		case i == 0 && len(files) > 1 && errors.Is(f.Err, fs.ErrNotExist): // the folder alone will do
		default:
			unread = append(unread, f.Err)
		}
	}
	if err := errors.Join(unread...); err != nil {
		return nil, unreadFault(file, err, errors.Join(mistakes...))
	}
	c, err := d.config()
	if err = errors.Join(append(mistakes, err)...); err == nil {
		err = d.check(c)
	}
	switch {
	case errors.Is(err, errNoNetwork):
		return nil, configFault(fmt.Errorf("%s: %w", file, err), "write a section [network NAME]; this is enough:\n"+strings.TrimSpace(SmallestConfig))
	case err != nil:
		return nil, configFault(err, "correct the lines named")
	}
	return c, nil
}

// ParseConfig reads one file's text; name stands before the line in errors, which are joined.
func ParseConfig(name string, text []byte) (*Config, error) {
	var d draft
	mistakes := d.add(name, text)
	c, err := d.config()
	if err = errors.Join(mistakes, err); err == nil {
		err = d.check(c)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func configFault(err error, cure string) *fault.Fault {
	return &fault.Fault{Err: fmt.Errorf("configuration: %w", err), Cure: cure, Exit: fault.ExitUsage}
}

// unreadFault says of files that could not be read what to do; the mistakes are those in the others.
func unreadFault(file string, err, mistakes error) *fault.Fault {
	f := configFault(errors.Join(err, mistakes), "give it a file that can be read")
	switch {
	case errors.Is(err, fs.ErrPermission):
		f.Cure, f.Exit = "run it as root, or let its user read the file", fault.ExitNotPermitted
	case errors.Is(err, fs.ErrNotExist):
		f.Cure = fmt.Sprintf("write %.200s, or name another file by --config; this is enough:\n%s", file, strings.TrimSpace(SmallestConfig))
	}
	return f
}

// A draft is what the files say, a later one over an earlier one.
type draft struct{ sections []section }

// A section is one of the files together, with the keys in it by their names.
type section struct {
	title, name string // "network", "guests"
	where       string // "file:line" of the first
	keys        map[string]inifile.Key
}

// add lays a file's sections over what there is. Names of sections and keys are checked here; what has
// a mistake is left out, so that the rest can be looked at too.
func (d *draft) add(name string, text []byte) error {
	list, err := inifile.Parse(name, text, "[server]", "[network NAME]", "[class TAG]")
	errs := []error{err}
	keys := Keys()
	for _, s := range list {
		if err := checkTitle(s); err != nil {
			errs = append(errs, err)
			continue
		}
		i := slices.IndexFunc(d.sections, func(o section) bool { return o.title == s.Title && o.name == s.Name })
		if i < 0 {
			i = len(d.sections)
			d.sections = append(d.sections, section{s.Title, s.Name, s.Where, map[string]inifile.Key{}})
		}
		for _, k := range s.Keys {
			if err := checkName(keys, s.Title, k); err != nil {
				errs = append(errs, err)
				continue
			}
			d.sections[i].keys[k.Name] = k
		}
	}
	return errors.Join(errs...)
}

// checkTitle refuses sections that there are not.
func checkTitle(s inifile.Section) error {
	switch {
	case s.Title == "server" && s.Name == "":
		return nil
	case s.Title == "network" && s.Name != "" && !strings.Contains(s.Name, " "):
		return nil
	case s.Title == "class" && s.Name != "" && strings.Count(s.Name, " ") < 2:
		return nil
	case s.Title == "class":
		return fmt.Errorf("%s: a class has a tag of one word, and behind it one network if it is for that alone: [class storage]", s.Where)
	case s.Title == "network":
		return fmt.Errorf("%s: a network has a name of one word: [network guests]", s.Where)
	}
	return fmt.Errorf("%s: unknown section [%s]; there are [server], [network NAME] and [class TAG]", s.Where, strings.TrimSpace(s.Title+" "+s.Name))
}

// checkName refuses keys that there are not in such a section.
func checkName(keys []Key, title string, k inifile.Key) error {
	var here, elsewhere []string
	for _, known := range keys {
		if known.Section == title || title == "class" && known.Class {
			here = append(here, known.Name)
		} else {
			elsewhere = append(elsewhere, known.Name)
		}
	}
	switch {
	case slices.Contains(here, k.Name), slices.Contains(here, rawKey) && strings.HasPrefix(k.Name, "option."):
		return nil
	case slices.Contains(elsewhere, k.Name), strings.HasPrefix(k.Name, "option."):
		return fmt.Errorf("%s: %q does not belong into a [%s] section; write it into %s", k.Where, k.Name, title, homes(keys, k.Name))
	}
	return fmt.Errorf("%s: unknown key %.80q; %s", k.Where, k.Name, inifile.Suggest(k.Name, here))
}

// homes are the sections into which a key belongs.
func homes(keys []Key, name string) string {
	var out []string
	for _, k := range keys {
		if k.Name != name && (k.Name != rawKey || !strings.HasPrefix(name, "option.")) {
			continue
		}
		if k.Section == "network" {
			out = append(out, "[network NAME]")
		} else {
			out = append(out, "["+k.Section+"]")
		}
		if k.Class {
			out = append(out, "[class TAG]")
		}
	}
	return strings.Join(out, " or ")
}

func (k *Key) section() string {
	if k.setNetwork != nil {
		return "network"
	}
	return "server"
}

// server is the [server] section, an empty one where there is none.
func (d *draft) server() *section {
	for i := range d.sections {
		if d.sections[i].title == "server" {
			return &d.sections[i]
		}
	}
	return &section{title: "server"}
}

// all are the sections of one title, networks in the order of Config.Networks.
func (d *draft) all(title string) []section {
	var out []section
	for _, s := range d.sections {
		if s.title == title {
			out = append(out, s)
		}
	}
	return out
}

// config sets every key, to its default where it is not given.
func (d *draft) config() (*Config, error) {
	c := new(Config)
	server, at := d.server(), d.all("network")
	for _, s := range at {
		c.Networks = append(c.Networks, NetworkConfig{Network: Network{Name: s.name}})
	}
	var errs []error
	for _, k := range Keys() {
		if k.set != nil {
			errs = append(errs, server.apply(&k, func(v string) error { return k.set(c, v) }))
			continue
		}
		for i := range c.Networks {
			errs = append(errs, at[i].apply(&k, func(v string) error { return k.setNetwork(&c.Networks[i], v) }))
		}
	}
	for i := range c.Networks {
		errs = append(errs, at[i].raw(&c.Networks[i].Parameters, nil))
	}
	return c, errors.Join(append(errs, d.classes(c))...)
}

// classes gives each network its classes.
func (d *draft) classes(c *Config) error {
	var errs []error
	for _, s := range d.all("class") {
		tag, network, _ := strings.Cut(s.name, " ")
		class, err := s.class(tag)
		errs = append(errs, err)
		known := network == ""
		for i := range c.Networks {
			if n := &c.Networks[i]; network == "" || n.Name == network {
				n.Classes, known = append(n.Classes, class), true
			}
		}
		if !known {
			errs = append(errs, fmt.Errorf("%s: class %s: there is no network %s", s.where, tag, network))
		}
	}
	return errors.Join(errs...)
}

// class reads a class; what its section does not give, or leaves empty, it does not say, or takes away.
func (s *section) class(tag string) (Class, error) {
	var errs []error
	n, c := NetworkConfig{}, Class{Tag: tag, where: s.where}
	for _, k := range Keys() {
		v, given := s.keys[k.Name]
		if !given || !k.Class {
			continue
		}
		err := k.setNetwork(&n, v.Text)
		if v.Text == "" && k.Default != "" {
			err = errors.New("a value is missing; without the key the network's holds")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", v.Where, k.Name, err))
		}
	}
	errs = append(errs, s.raw(&n.Parameters, &c.Codes))
	_, c.DNS = s.keys["dns"]
	_, c.Search = s.keys["search"]
	_, c.NTP = s.keys["ntp"]
	_, c.Refresh = s.keys["information_refresh"]
	c.Parameters, c.Preferred, c.Valid, c.InformationRefresh = n.Parameters, n.Preferred, n.Valid, n.InformationRefresh
	if c.Valid != 0 && c.Preferred > c.Valid {
		errs = append(errs, fmt.Errorf("%s: preferred_lifetime is longer than valid_lifetime (%s and %s)", s.keys["preferred_lifetime"].Where, lasting(c.Preferred), lasting(c.Valid)))
	}
	return c, errors.Join(errs...)
}

// apply sets one key to what the section says, or to its default.
func (s *section) apply(k *Key, set func(string) error) error {
	v, given := s.keys[k.Name]
	if !given {
		v = inifile.Key{Text: k.Default, Where: s.where}
	}
	if v.Text == "" && k.Default != "" {
		return fmt.Errorf("%s: %s: a value is missing; the default is %s", v.Where, k.Name, k.Default)
	}
	if err := set(v.Text); err != nil {
		return fmt.Errorf("%s: %s: %w", v.Where, k.Name, err)
	}
	return nil
}
