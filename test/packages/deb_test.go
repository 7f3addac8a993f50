package packages

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

var names = []string{"v6guest", "v6guest-responder"}

func TestTwoBuildsOfThePackagesHaveTheSameBytes(t *testing.T) {
	one, err := built()
	check(t, err)
	two := filepath.Join(t.TempDir(), "again")
	t.Setenv("TZ", "Pacific/Auckland")
	t.Setenv("LC_ALL", "C.UTF-8")
	check(t, makes("packages", "DIST="+two, "ARCHES="+runtime.GOARCH, "VERSION="+version))
	for _, name := range names {
		for _, kind := range []string{"deb", "rpm"} {
			a, err := os.ReadFile(packageFile(t, one, name, kind))
			check(t, err)
			b, err := os.ReadFile(packageFile(t, two, name, kind))
			check(t, err)
			if !bytes.Equal(a, b) {
				t.Errorf("%s of %s: two builds differ (%d and %d bytes)", kind, name, len(a), len(b))
			}
		}
	}
}

// TestVersionsAreOrderedAsPeopleDo: those that git has for commits, from one without a tag to the next release, each of which is an upgrade of the
// one before, for dpkg and for rpm.
func TestVersionsAreOrderedAsPeopleDo(t *testing.T) {
	m := boot(t)
	dir := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(dir, "docs", "man"), 0o755))
	check(t, os.WriteFile(filepath.Join(dir, "docs", "man", "page.8"), nil, 0o644))
	packager := filepath.Join(dir, "packager") // it only says which version it was given
	check(t, os.WriteFile(packager, []byte("#!/bin/sh\nprintf %s \"$PACKAGE_VERSION\" | tee $7version >$7x.deb\n: >$7x.rpm\n"), 0o755))
	var before string
	for _, version := range []string{"ea0064a", "v0.9.0", "v1.0.0-alpha1", "v1.0.0-rc1", "v1.0.0-rc1-5-gea0064a", "v1.0.0-rc2", "v1.0.0", "v1.0.0-3-gea0064a", "v1.0.1"} {
		cmd := exec.Command("packaging/build", packager, filepath.Join(dir, "docs"), dir, version)
		cmd.Dir = top
		cmd.Env = append(os.Environ(), "MAKE=true", "ARCHES=amd64", "SOURCE_DATE_EPOCH="+epoch)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		got, err := os.ReadFile(filepath.Join(dir, "version"))
		check(t, err)
		if before != "" {
			if r := m.do("dpkg", "--compare-versions", before, "lt", string(got)); r.Code != 0 {
				t.Errorf("to dpkg %s is not before %s", before, got)
			}
			if r := m.must("rpm", "--eval", `%{lua:print(rpm.vercmp("`+before+`","`+string(got)+`"))}`); strings.TrimSpace(r) != "-1" {
				t.Errorf("to rpm %s is not before %s: %s", before, got, r)
			}
		}
		before = string(got)
	}
}

func TestLintianFindsNothing(t *testing.T) {
	m := boot(t)
	dir, err := built()
	check(t, err)
	for _, name := range names {
		m.put("/tmp/"+name+".deb", packageFile(t, dir, name, "deb"))
		r := m.do("lintian", "--allow-root", "--display-info", "--show-overrides", "--fail-on", "error,warning,info", "/tmp/"+name+".deb")
		if r.Code != 0 {
			t.Errorf("%s: exit code %d\n%s%s", name, r.Code, r.Stdout, r.Stderr)
		}
	}
}

// TestTheCopyrightNamesEveryModule: the programs are static, so that a package is a copy of each module too.
func TestTheCopyrightNamesEveryModule(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(top, "packaging", "copyright"))
	check(t, err)
	bin := t.TempDir()
	check(t, makes("build", "BIN="+bin))
	for _, program := range []string{"v6guest", "v6responder"} {
		info, err := buildinfo.ReadFile(filepath.Join(bin, program))
		check(t, err)
		for _, dep := range info.Deps {
			module, _, _ := strings.Cut(dep.Path+"/v2", "/v2") // the major version is part of a module's name
			if i := strings.LastIndex(module, "/v"); i > 0 && strings.Trim(module[i+2:], "0123456789") == "" {
				module = module[:i]
			}
			if !strings.Contains(string(text), " "+module) {
				t.Errorf("%s contains %s, which packaging/copyright does not name", program, dep.Path)
			}
		}
	}
}

// TestPackagesForTheOtherArchitecture are made by the same command, say so, and have a program for it.
func TestPackagesForTheOtherArchitecture(t *testing.T) {
	m := boot(t)
	other, machine := "arm64", elf.EM_AARCH64
	if runtime.GOARCH == other {
		other, machine = "amd64", elf.EM_X86_64
	}
	dir := t.TempDir()
	check(t, makes("packages", "DIST="+dir, "ARCHES="+other, "VERSION="+version))
	asRPM := map[string]string{"arm64": "aarch64", "amd64": "x86_64"}
	for _, name := range names {
		m.put("/tmp/other.deb", packageFile(t, dir, name, "deb"))
		m.put("/tmp/other.rpm", packageFile(t, dir, name, "rpm"))
		if got := strings.TrimSpace(m.must("dpkg-deb", "-f", "/tmp/other.deb", "Architecture")); got != other {
			t.Errorf("%s: the deb is for %s", name, got)
		}
		if got := strings.TrimSpace(m.must("rpm", "-qp", "--qf", "%{ARCH}", "/tmp/other.rpm")); got != asRPM[other] {
			t.Errorf("%s: the rpm is for %s", name, got)
		}
		program := map[string]string{"v6guest": "v6guest", "v6guest-responder": "v6responder"}[name]
		for _, open := range []string{"dpkg-deb --fsys-tarfile /tmp/other.deb | tar -xO ./usr/sbin/", "rpm2archive -n - </tmp/other.rpm | tar -xO ./usr/sbin/"} {
			f, err := elf.NewFile(strings.NewReader(m.must("sh", "-c", open+program)))
			check(t, err)
			if f.Machine != machine {
				t.Errorf("%s: %s is for %s", name, program, f.Machine)
			}
		}
	}
}
