package responder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/v6guest/v6guest/pkg/fault"
)

// maxConfig bounds one configuration file, in bytes: a device or a log given by mistake is not read whole.
const maxConfig = 1 << 20

// LoadConfig reads file and then file+".d"/*.conf in the order of their names: a later file overrides
// an earlier one key by key. The error is a Fault with fault.ExitUsage that names every mistake with its file
// and line.
func LoadConfig(file string) (*Config, error) {
	more, err := filepath.Glob(escapeGlob(file) + ".d/*.conf")
	if err != nil {
		return nil, configFault(err)
	}
	slices.Sort(more)
	var (
		d    draft
		errs []error
	)
	for i, name := range append([]string{file}, more...) {
		text, err := readConfig(name)
		switch {
		case err == nil:
			err = d.add(name, text)
		case i == 0 && len(more) > 0 && errors.Is(err, fs.ErrNotExist):
			err = nil // the folder alone will do
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, configFault(err)
	}
	c, err := d.config()
	if err != nil {
		return nil, configFault(err)
	}
	return c, nil
}

// ParseConfig reads one file's text; name stands before the line in errors, which are joined.
func ParseConfig(name string, text []byte) (*Config, error) {
	var d draft
	if err := d.add(name, text); err != nil {
		return nil, err
	}
	return d.config()
}

// escapeGlob quotes what filepath.Glob would take as a pattern in the path itself.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func configFault(err error) error {
	return &fault.Fault{Err: fmt.Errorf("configuration: %w", err), Cure: "correct the lines named", Exit: fault.ExitUsage}
}

func readConfig(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxConfig {
		return nil, fmt.Errorf("%s is no regular file of at most %d bytes", name, maxConfig)
	}
	return os.ReadFile(name)
}

// A draft is what the files say, a later one over an earlier one.
type draft struct{ sections []section }

// add lays a file's sections over what there is. Names of sections and keys are checked here.
func (d *draft) add(name string, text []byte) error {
	list, err := sections(name, text)
	if err != nil {
		return err
	}
	keys := Keys()
	var errs []error
	for _, s := range list {
		if err := s.check(); err != nil {
			errs = append(errs, err)
			continue
		}
		i := slices.IndexFunc(d.sections, func(o section) bool { return o.title == s.title && o.name == s.name })
		if i < 0 {
			i = len(d.sections)
			d.sections = append(d.sections, section{title: s.title, name: s.name, where: s.where, keys: map[string]value{}})
		}
		for _, k := range s.order {
			if err := s.known(keys, k); err != nil {
				errs = append(errs, err)
				continue
			}
			d.sections[i].keys[k] = s.keys[k]
		}
	}
	return errors.Join(errs...)
}

// check refuses sections that there are not.
func (s *section) check() error {
	switch {
	case s.title == "server" && s.name == "":
		return nil
	case s.title == "network" && s.name != "" && !strings.Contains(s.name, " "):
		return nil
	case s.title == "network":
		return fmt.Errorf("%s: a network has a name of one word: [network guests]", s.where)
	}
	return fmt.Errorf("%s: unknown section [%s]; there are [server] and [network NAME]", s.where, strings.TrimSpace(s.title+" "+s.name))
}

// known refuses keys that there are not in such a section.
func (s *section) known(keys []Key, name string) error {
	elsewhere := false
	best, least := "", 0
	for _, k := range keys {
		if k.Section != s.title {
			elsewhere = elsewhere || k.Name == name
			continue
		}
		if k.Name == name {
			return nil
		}
		if d := distance(name, k.Name); best == "" || d < least {
			best, least = k.Name, d
		}
	}
	where := s.keys[name].where
	if elsewhere {
		return fmt.Errorf("%s: %q does not belong into a [%s] section", where, name, s.title)
	}
	return fmt.Errorf("%s: unknown key %q; did you mean %q?", where, name, best)
}

func (k *Key) section() string {
	if k.setNetwork != nil {
		return "network"
	}
	return "server"
}

// config sets every key, to its default where it is not given, and checks the whole.
func (d *draft) config() (*Config, error) {
	c := new(Config)
	server := section{title: "server"}
	at := make([]section, 0, len(d.sections))
	for _, s := range d.sections {
		if s.title == "server" {
			server = s
			continue
		}
		c.Networks = append(c.Networks, NetworkConfig{Network: Network{Name: s.name}})
		at = append(at, s)
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
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := check(c, &server, at); err != nil {
		return nil, err
	}
	return c, nil
}

// apply sets one key to what the section says, or to its default.
func (s *section) apply(k *Key, set func(string) error) error {
	v, given := s.keys[k.Name]
	if !given {
		v = value{k.Default, s.where}
	}
	if v.text == "" && k.Default != "" {
		return fmt.Errorf("%s: %s: a value is missing; the default is %s", v.where, k.Name, k.Default)
	}
	if err := set(v.text); err != nil {
		return fmt.Errorf("%s: %s: %w", v.where, k.Name, err)
	}
	return nil
}

// distance is the number of letters to insert, drop or change that makes b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
