package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/inifile"
)

// DefaultConfigFile is where the configuration of the guest lies; the folder DefaultConfigFile+".d"
// beside it holds files that override it.
const DefaultConfigFile = "/etc/v6guest/v6guest.conf"

// LoadConfig reads file and then file+".d"/*.conf in the order of their names: a later file overrides
// an earlier one key by key. What is absent is not an error, unless must says that file has to be
// there. The error is a Fault with fault.ExitUsage that names every mistake with its file and line.
func LoadConfig(file string, must bool) (*Config, error) {
	c := DefaultConfig()
	var errs []error
	for i, f := range inifile.Read(file) {
		switch {
		case f.Err == nil:
			errs = append(errs, c.Parse(f.Name, f.Text))
		case i == 0 && !must && errors.Is(f.Err, fs.ErrNotExist): // all defaults hold
		default:
			errs = append(errs, f.Err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.New(fault.ExitUsage, "correct what is named; v6guest run --dry-run shows what then would be done", "configuration: %w", err)
	}
	return c, nil
}

// Parse applies one file's text to c. Name stands before the line in errors, which are joined: one for
// each mistake. After an error c is not to be used.
func (c *Config) Parse(name string, text []byte) error {
	sections, err := inifile.Parse(name, text, "[agent]", "[nic NAME]")
	keys := Keys()
	errs := []error{err}
	for _, s := range sections {
		errs = append(errs, c.section(keys, s)...)
	}
	return errors.Join(errs...)
}

// section applies one section.
func (c *Config) section(keys []Key, s inifile.Section) []error {
	name := s.Title
	if s.Name != "" {
		name += " " + s.Name
	}
	switch {
	case name == "agent":
		return eachKey(keys, s, func(k *Key, v string) error { return c.agentValue(k, v) })
	case s.Title == "nic":
		match, err := ParsePattern(s.Name)
		if err != nil {
			return []error{fmt.Errorf("%s: section [%s]: %w", s.Where, name, err)}
		}
		if !match.exact() {
			return []error{fmt.Errorf("%s: section [%s] names no single NIC; write a name or a MAC", s.Where, name)}
		}
		n := nicSection{match: match}
		errs := eachKey(keys, s, n.add)
		c.sections = append(c.sections, n)
		return errs
	}
	return []error{fmt.Errorf("%s: unknown section [%s]; there are [agent] and [nic NAME]", s.Where, name)}
}

func (c *Config) agentValue(k *Key, v string) error {
	err := k.set(c, v)
	if err == nil && c.Settings.ExplicitDUID != "" {
		err = errors.New("one DUID for all NICs is duid = host; a DUID of your own stands in a [nic NAME] section")
	}
	return err
}

func (n *nicSection) add(k *Key, v string) error {
	if !k.PerNIC {
		return errors.New("this key belongs into [agent]: it is not of one NIC")
	}
	if err := k.setNIC(new(Settings), v); err != nil {
		return err
	}
	n.values = append(n.values, nicValue{k, v})
	return nil
}

// eachKey hands each key of the section to apply, and puts file, line and key before its error.
func eachKey(keys []Key, s inifile.Section, apply func(*Key, string) error) []error {
	var errs []error
	for _, key := range s.Keys {
		i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == key.Name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("%s: unknown key %.80q; %s", key.Where, key.Name, suggest(key.Name, keys)))
			continue
		}
		if err := apply(&keys[i], key.Text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", key.Where, key.Name, err))
		}
	}
	return errs
}

// suggest says which key word may have been meant to be.
func suggest(word string, keys []Key) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Name
	}
	return inifile.Suggest(word, names)
}
