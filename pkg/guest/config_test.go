package guest

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/inifile"
	"github.com/v6guest/v6guest/pkg/wire"
)

// sample is the design's smallest configuration, as far as its keys exist today.
const sample = `; /etc/v6guest/v6guest.conf: every key is optional
[agent]
nics = auto                ; or: eth0 eth1, en*, 06:a0:f0:00:00:38
default_nic = auto         ; or a name or a MAC
lease = agent              ; agent | distro
duid = nic                 ; nic | host
start = now                # now | on-managed-ra
start_delay = random       ; random (0-1 s, the standard's) | none
wait = 90s                 ; of v6guest-wait-online, at the latest
ra = auto
secondary_ra = off         ; off | no-default-route
optimistic_dad = no
release_on_stop = no
[nic eth1]                 ; the same keys for one NIC
lease = distro             ; not a default
`

func mac(s string) net.HardwareAddr {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c := DefaultConfig()
	if err := c.Parse("v6guest.conf", []byte(text)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheSampleHoldsTheDefaults(t *testing.T) {
	c := parse(t, sample)
	want := DefaultConfig()
	if diff := cmp.Diff(want.Settings, c.Settings); diff != "" {
		t.Errorf("settings (-default +sample):\n%s", diff)
	}
	if c.Wait != 90*time.Second || c.NICs != nil || c.DefaultNIC != nil {
		t.Errorf("wait %s, nics %v, default_nic %v", c.Wait, c.NICs, c.DefaultNIC)
	}
	if got := c.For(mac("02:00:00:00:00:02"), "eth1").Lease; got != LeaseDistro {
		t.Errorf("[nic eth1]: lease = %s", got)
	}
}

func TestKeysOfASection(t *testing.T) {
	const text = `[agent]
optimistic_dad = yes
[nic eth1]
start_delay = none
duid = 00:03:00:01:06:a0:f0:00:00:38
[nic 06:a0:f0:00:00:99]
secondary_ra = no-default-route
release_on_stop = yes
`
	c := parse(t, text)
	base := Settings{Lease: LeaseAgent, DUID: DUIDNIC, Start: StartNow, RA: RAAuto, SLAAC: true, SecondaryRA: SecondaryOff, OptimisticDAD: true, SourceRouting: SourceAuto, DNS: true}
	with := func(change func(*Settings)) Settings {
		s := base
		change(&s)
		return s
	}
	duid, _ := wire.ParseDUID("00:03:00:01:06:a0:f0:00:00:38")
	eth1 := func(s *Settings) { s.NoStartDelay, s.DUID, s.ExplicitDUID = true, "", duid }
	for _, tt := range []struct {
		name  string
		mac   string
		names []string
		want  Settings
	}{
		{"a NIC without a section", "06:a0:f0:00:00:01", []string{"eth0"}, base},
		{"by name", "06:a0:f0:00:00:02", []string{"eth1"}, with(eth1)},
		{"a renamed NIC keeps what was bound to its name", "06:a0:f0:00:00:02", []string{"lan1", "eth1"}, with(eth1)},
		{"by MAC", "06:a0:f0:00:00:99", []string{"eth7"}, with(func(s *Settings) {
			s.SecondaryRA, s.ReleaseOnStop = SecondaryNoDefaultRoute, true
		})},
		{"eth0.100 inherits nothing from eth0", "06:a0:f0:00:00:03", []string{"eth1.100"}, base},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, c.For(mac(tt.mac), tt.names...)); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakesAreNamedWithFileLineAndCure(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", "[agent]\n\nleese = agent\n", `v6guest.conf:3: unknown key "leese"; did you mean "lease"?`},
		{"a key of a later version", "[agent]\ntemporary = auto\n", `v6guest.conf:2: unknown key "temporary"`},
		{"doubled key", "[agent]\nwait = 1s\nlease = agent\nwait = 2s\n", `v6guest.conf:4: "wait" is set twice; first in line 2`},
		{"doubled section", "[nic eth0]\n[agent]\n[nic  eth0]\n", `v6guest.conf:3: section [nic eth0] stands twice; first in line 1`},
		{"unknown section", "[nics]\n", `v6guest.conf:1: unknown section [nics]`},
		{"the library's own section", "[DEFAULT]\nlease = agent\n", `v6guest.conf:1: "[DEFAULT]" is no section`},
		{"key before a section", "lease = agent\n", "v6guest.conf:1: a key before the first section"},
		{"no key", "[agent]\nlease\n", `v6guest.conf:2: "lease" is neither a section nor key = value`},
		{"colon for an equals sign", "[agent]\nlease: agent\n", "v6guest.conf:2:"},
		{"bad word", "[agent]\nlease = both\n", `v6guest.conf:2: lease: "both" is not one of: agent, distro`},
		{"number without a unit", "[agent]\nwait = 90\n", `v6guest.conf:2: wait: "90" is not a duration`},
		{"yes and no", "[agent]\noptimistic_dad = true\n", `v6guest.conf:2: optimistic_dad: "true" is not one of: yes, no`},
		{"key of the agent in a NIC's section", "[nic eth0]\nnics = auto\n", "v6guest.conf:2: nics: this key belongs into [agent]"},
		{"DUID for all", "[agent]\nduid = 00:03:00:01:06:a0:f0:00:00:38\n", "v6guest.conf:2: duid: one DUID for all NICs is duid = host"},
		{"bad DUID", "[nic eth0]\nduid = 0\n", "v6guest.conf:2: duid:"},
		{"default_nic as a glob", "[agent]\ndefault_nic = en*\n", "v6guest.conf:2: default_nic: \"en*\" may match several NICs"},
		{"section of a glob", "[nic en*]\n", "v6guest.conf:1: section [nic en*] names no single NIC"},
		{"name too long", "[agent]\nnics = averyveryverylongname\n", "v6guest.conf:2: nics:"},
		{"auto among names", "[agent]\nnics = auto eth0\n", "v6guest.conf:2: nics: auto stands alone"},
		{"quotes", "[agent]\nlease = \"agent\"\n", "v6guest.conf:2: lease: values stand without quotes"},
		{"continued line", "[agent]\nlease = agent \\\nwait = 1s\n", "v6guest.conf:2: lease:"},
		{"control characters", "[agent]\nlease = agent\x1b[2J\n", "v6guest.conf:2: the line holds control characters"},
		{"not UTF-8", "[agent]\nlease = agent\xff\n", "v6guest.conf:2: the line holds control characters or is not UTF-8"},
		{"a router that is not link-local", "[agent]\nrouters = fe80::1 2001:db8::1\n", `v6guest.conf:2: routers: "2001:db8::1" is not a link-local address`},
		{"a server that is nothing", "[agent]\nservers = fe80::1 dns\n", `v6guest.conf:2: servers: "dns" is neither a DUID nor a link-local address`},
		{"every mistake at once", "[agent]\nfoo = 1\nlease = x\n", `v6guest.conf:3: lease: "x"`},
		{"a bad line hides no bad value", "[agent]\nfoo\nlease = x\n", `v6guest.conf:3: lease: "x"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := DefaultConfig().Parse("v6guest.conf", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestPinsNameServersByDUIDOrAddress(t *testing.T) {
	s := parse(t, "[agent]\nservers = 00:03:00:01:06:a0:f0:00:00:01, fe80::1%eth0\nrouters = fe80::2\n").Settings
	pinned, _ := wire.ParseDUID("00:03:00:01:06:a0:f0:00:00:01")
	other, _ := wire.ParseDUID("00:03:00:01:06:a0:f0:00:00:02")
	one, two := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fe80::2%eth1")
	if !s.acceptsServer(pinned, two) || !s.acceptsServer(other, one) || s.acceptsServer(other, two) {
		t.Error("servers are not told apart by their pins")
	}
	if !s.acceptsRouter(two) || s.acceptsRouter(one) {
		t.Error("routers are not told apart by their pins")
	}
	if none := DefaultConfig().Settings; !none.acceptsRouter(one) || !none.acceptsServer(other, two) {
		t.Error("without pins somebody is refused")
	}
}

func TestALaterFileOverridesKeyByKey(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "v6guest.conf")
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(file, "[agent]\nwait = 1s\nlease = distro\n[nic eth0]\nstart = on-managed-ra\n")
	write(file+".d/20-b.conf", "[agent]\nwait = 3s\n")
	write(file+".d/10-a.conf", "[agent]\nwait = 2s\n[nic eth0]\nlease = agent\n")
	write(file+".d/README", "not a configuration")
	c, err := LoadConfig(file, true)
	if err != nil {
		t.Fatal(err)
	}
	s := c.For(nil, "eth0")
	if c.Wait != 3*time.Second || c.Settings.Lease != LeaseDistro || s.Lease != LeaseAgent || s.Start != StartOnManagedRA {
		t.Errorf("wait %s, lease %s, eth0 %+v", c.Wait, c.Settings.Lease, s)
	}
	write(file+".d/30-c.conf", "[agent]\nwait = soon\n")
	_, err = LoadConfig(file, true)
	if fault.ExitCode(err) != fault.ExitUsage || !strings.Contains(err.Error(), "30-c.conf:2: wait:") {
		t.Errorf("mistake in the folder: %v", err)
	}
}

func TestAMissingFileIsAnErrorOnlyWhenItWasNamed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "none.conf")
	if _, err := LoadConfig(name, false); err != nil {
		t.Errorf("the default file: %v", err)
	}
	if _, err := LoadConfig(name, true); !errors.Is(err, os.ErrNotExist) || fault.ExitCode(err) != fault.ExitUsage {
		t.Errorf("a file that was named: %v", err)
	}
}

func TestEveryKeyIsDocumented(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Keys() {
		switch {
		case seen[k.Name]:
			t.Errorf("%s stands twice", k.Name)
		case k.Default == "" && !strings.Contains(k.Sentence, "empty means") || k.Values == "" || !strings.HasSuffix(k.Sentence, "."):
			t.Errorf("%s lacks its default, its values or its sentence", k.Name)
		case k.PerNIC != (k.setNIC != nil):
			t.Errorf("%s: PerNIC and its setter disagree", k.Name)
		}
		seen[k.Name] = true
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("[nic a]\nduid = host ; x\n[agent]\nnics = a,b 02:00:00:00:00:01 en*\n"))
	f.Add([]byte("\xef\xbb\xbf[agent]\r\nlease = distro\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := DefaultConfig()
		if c.Parse("f", text) != nil {
			return
		}
		// What was accepted is settled: the settings of any NIC can be made without a second look.
		for _, s := range c.sections {
			name := s.match.String()
			got := c.For(s.match.MAC, name)
			if got.Lease == "" || got.Start == "" || got.SecondaryRA == "" || got.DUID == "" && got.ExplicitDUID == "" {
				t.Errorf("settings of %q: %+v", name, got)
			}
		}
		sections, err := inifile.Parse("f", text)
		if err != nil {
			t.Fatalf("Parse takes what cannot be read: %v", err)
		}
		for _, s := range sections {
			if s.Title != "agent" && s.Title != "nic" {
				t.Errorf("a section %q was accepted", s.Title)
			}
		}
	})
}
