package roots

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// build makes a root beside its place and then renames it, so that dir is whole or absent.
func build(ctx context.Context, s Spec, dir string, log io.Writer) error {
	uri, err := archive(ctx)
	if err != nil {
		return err
	}
	removeLeftovers(dir)
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".new-"+filepath.Base(dir)+"-")
	if err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	fmt.Fprintf(log, "making the root %s: Debian %s with %s\n", s.Name, s.Suite, strings.Join(s.Packages, ", "))
	if err := fill(ctx, s, uri, tmp); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return os.Rename(tmp, dir)
}

func fill(ctx context.Context, s Spec, uri, dir string) error {
	if err := unpack(ctx, s, uri, dir); err != nil {
		return err
	}
	if err := configure(ctx, dir); err != nil {
		return err
	}
	return trim(dir)
}

// removeLeftovers removes what a killed build of this root left; the caller holds its lock.
func removeLeftovers(dir string) {
	old, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".new-"+filepath.Base(dir)+"-*"))
	for _, tmp := range old {
		_ = os.RemoveAll(tmp) // what stays costs disk only
	}
}

// unpack downloads and unpacks the packages; nothing of them runs yet.
func unpack(ctx context.Context, s Spec, uri, dir string) error {
	cmd := exec.CommandContext(ctx, "debootstrap", "--foreign", "--variant=minbase", "--merged-usr", "--keyring="+keyring,
		"--include="+strings.Join(s.Packages, ","), s.Suite, dir, uri)
	cmd.Env = append(os.Environ(), proxies(ctx)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	return run(cmd)
}

// configure runs the packages' own scripts: in namespaces without a network and with no process of
// the host's, so that a daemon which one of them starts sees nothing and ends with them.
func configure(ctx context.Context, dir string) error {
	policy := filepath.Join(dir, "usr/sbin/policy-rc.d")
	if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "/debootstrap/debootstrap", "--second-stage")
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C", "DEBIAN_FRONTEND=noninteractive"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot:       dir,
		Cloneflags:   syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
	}
	return run(cmd)
}

// run runs a command and puts the end of what it printed into its error.
func run(cmd *exec.Cmd) error {
	runtime.LockOSThread() // Pdeathsig is sent when the thread ends that started it, which a test's thread may
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, strings.Join(lines[max(0, len(lines)-20):], "\n"))
}

// trim removes what no test reads; the root stays in a cache for months.
func trim(dir string) error {
	for _, path := range []string{"usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "debootstrap"} {
		if err := os.RemoveAll(filepath.Join(dir, path)); err != nil {
			return err
		}
	}
	// debootstrap copies these from the machine that it runs on.
	for name, text := range map[string]string{"etc/hostname": "lab\n", "etc/resolv.conf": ""} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && info.Mode()&os.ModeSymlink != 0 {
			continue // a package's own
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, pattern := range []string{"var/cache/apt/archives/*.deb", "var/lib/apt/lists/*Packages*"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
	}
	return nil
}
