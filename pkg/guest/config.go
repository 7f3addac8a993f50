package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/ini.v1"
)

// DefaultConfigFile is where the configuration of the guest lies; the folder DefaultConfigFile+".d"
// beside it holds files that override it.
const DefaultConfigFile = "/etc/v6guest/v6guest.conf"

// maxConfig bounds one configuration file, in bytes: a device or a log given by mistake is not read whole.
const maxConfig = 1 << 20

// LoadConfig reads file and then file+".d"/*.conf in the order of their names: a later file overrides
// an earlier one key by key. What is absent is not an error, unless must says that file has to be
// there. The error is a Fault with ExitUsage that names every mistake with its file and line.
func LoadConfig(file string, must bool) (*Config, error) {
	c := DefaultConfig()
	text, err := readConfig(file)
	switch {
	case err == nil:
		err = c.Parse(file, text)
	case errors.Is(err, fs.ErrNotExist) && !must:
		err = nil
	}
	if err != nil {
		return nil, configFault(err)
	}
	more, err := filepath.Glob(filepath.Join(escapeGlob(file)+".d", "*.conf"))
	if err != nil {
		return nil, configFault(err)
	}
	slices.Sort(more)
	for _, name := range more {
		text, err := readConfig(name)
		if err == nil {
			err = c.Parse(name, text)
		}
		if err != nil {
			return nil, configFault(err)
		}
	}
	return c, nil
}

// escapeGlob quotes what filepath.Glob would take as a pattern in the path itself.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func configFault(err error) error {
	return &Fault{Err: fmt.Errorf("configuration: %w", err), Cure: "correct what is named; v6guest run --dry-run shows what then would be done", Exit: ExitUsage}
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

// strict takes the library's liberties away: values are taken as they stand in the line.
var strict = ini.LoadOptions{
	KeyValueDelimiters: "=", ChildSectionDelimiter: "\x00", IgnoreInlineComment: true,
	IgnoreContinuation: true, PreserveSurroundedQuote: true, AllowNonUniqueSections: true,
}

// Parse applies one file's text to c. Name stands before the line in errors, which are joined: one for
// each mistake. After an error c is not to be used.
func (c *Config) Parse(name string, text []byte) error {
	clean, err := tidy(name, text)
	if err != nil {
		return err
	}
	f, err := ini.LoadSources(strict, clean.text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	f.BlockMode = false
	keys := Keys()
	var errs []error
	for _, sec := range f.Sections() {
		if sec.Name() == ini.DefaultSection {
			continue // tidy refuses keys before the first section
		}
		errs = append(errs, c.section(keys, sec, clean)...)
	}
	return errors.Join(errs...)
}

// section applies one section.
func (c *Config) section(keys []Key, sec *ini.Section, at *tidied) []error {
	title, rest, _ := strings.Cut(sec.Name(), " ")
	switch title {
	case "agent":
		if rest != "" {
			break
		}
		return eachKey(keys, sec, at, func(k *Key, v string) error { return c.agentValue(k, v) })
	case "nic":
		match, err := ParsePattern(strings.TrimSpace(rest))
		if err != nil {
			return []error{fmt.Errorf("%s: section [%s]: %w", at.section(sec.Name()), sec.Name(), err)}
		}
		if !match.exact() {
			return []error{fmt.Errorf("%s: section [%s] names no single NIC; write a name or a MAC", at.section(sec.Name()), sec.Name())}
		}
		n := nicSection{match: match}
		errs := eachKey(keys, sec, at, n.add)
		c.sections = append(c.sections, n)
		return errs
	}
	return []error{fmt.Errorf("%s: unknown section [%s]; there are [agent] and [nic NAME]", at.section(sec.Name()), sec.Name())}
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
func eachKey(keys []Key, sec *ini.Section, at *tidied, apply func(*Key, string) error) []error {
	var errs []error
	for _, key := range sec.Keys() {
		where := at.key(sec.Name(), key.Name())
		i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == key.Name() })
		if i < 0 {
			errs = append(errs, fmt.Errorf("%s: unknown key %q; did you mean %q?", where, key.Name(), nearest(key.Name(), keys)))
			continue
		}
		if err := apply(&keys[i], key.Value()); err != nil { // Value: String would expand %(name)s
			errs = append(errs, fmt.Errorf("%s: %s: %w", where, key.Name(), err))
		}
	}
	return errs
}

// nearest is the key whose name takes the fewest single-letter changes to become word.
func nearest(word string, keys []Key) string {
	best, least := "", 0
	for _, k := range keys {
		if d := distance(word, k.Name); best == "" || d < least {
			best, least = k.Name, d
		}
	}
	return best
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
