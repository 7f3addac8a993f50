package boot

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Versions of the packages that guests get: what is installed, and what it is upgraded to.
const (
	version = "0.9.0"
	newer   = "0.9.1"
)

// debs makes the packages of a version, once, and returns the folder.
func debs(version string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		dir := filepath.Join(binDir, "packages-"+version)
		ctx, cancel := context.WithTimeout(context.Background(), making)
		defer cancel()
		cmd := exec.CommandContext(ctx, "make", "packages", "DIST="+dir, "VERSION="+version)
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), "ARCHES=amd64")
		cmd.WaitDelay = time.Minute // programs of make's have the pipe too
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("make packages: %w\n%s", err, out)
		}
		return dir, nil
	})
}

var (
	thisVersion  = debs(version)
	newerVersion = debs(newer)
)

// debFile is a package's file in a folder that make packages has filled.
func debFile(dir, name, version string) string {
	return filepath.Join(dir, fmt.Sprintf("%s_%s_amd64.deb", name, version))
}

// install installs a package into a guest's tree as whoever builds an image does: dpkg in a chroot, no
// init running.
func install(ctx context.Context, tree, deb string) error {
	const name = "/tmp/package.deb"
	if err := run(ctx, "cp", deb, filepath.Join(tree, name)); err != nil {
		return err
	}
	defer os.Remove(filepath.Join(tree, name))
	return inside(ctx, tree, "dpkg", "-i", name)
}

// inside runs a program in a tree, away from this machine's processes and networks.
func inside(ctx context.Context, tree string, argv ...string) error {
	cmd := exec.CommandContext(ctx, "/usr/bin/env", argv...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C", "DEBIAN_FRONTEND=noninteractive"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: tree, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
	}
	runtime.LockOSThread() // as in launch
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, out)
	}
	return nil
}
