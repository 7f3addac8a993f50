package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A file is one that a test puts into a guest's disk. A text that begins with "-> " is a link's target.
type file struct {
	name, text string
	mode       os.FileMode
}

// link is a symbolic link.
func link(name, target string) file { return file{name: name, text: "-> " + target} }

// text is an ordinary file.
func text(name, content string) file { return file{name, content, 0o644} }

// secret is a file that only root reads.
func secret(name, content string) file { return file{name, content, 0o600} }

// program is a copy of an executable.
func program(name, from string) (file, error) {
	b, err := os.ReadFile(from)
	return file{name, string(b), 0o755}, err
}

// diskSize holds the largest root with room to work.
const diskSize = "3G"

// makeDisk makes a disk of a root that is prepared and has the files put into it, and returns its name in dir.
func makeDisk(ctx context.Context, root, dir string, prepare func(tree string) error, files []file) (string, error) {
	// Links to the cache's files: only what is replaced is written anew. They need one file system.
	tree, err := os.MkdirTemp(filepath.Dir(root), ".disk-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tree)
	if err := run(ctx, "cp", "-al", root+"/.", tree); err != nil {
		return "", err
	}
	// What programs write to in its place is the tree's own.
	for _, folder := range []string{"etc", "var"} {
		if err := run(ctx, "sh", "-c", `rm -rf "$2/$3" && cp -a "$1/$3" "$2/$3"`, "sh", root, tree, folder); err != nil {
			return "", err
		}
	}
	// It kept services from being started while the root was made; a real guest has none.
	if err := os.Remove(filepath.Join(tree, "usr/sbin/policy-rc.d")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if err := prepare(tree); err != nil {
		return "", err
	}
	for _, f := range files {
		if err := f.put(tree); err != nil {
			return "", err
		}
	}
	disk := filepath.Join(dir, "disk.img")
	return disk, run(ctx, "mke2fs", "-q", "-t", "ext4", "-F", "-L", "root", "-d", tree, disk, diskSize)
}

// put puts the file below tree, in the place of what is there.
func (f file) put(tree string) error {
	name := filepath.Join(tree, f.name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if target, ok := strings.CutPrefix(f.text, "-> "); ok {
		return os.Symlink(target, name)
	}
	return errors.Join(os.WriteFile(name, []byte(f.text), f.mode), os.Chmod(name, f.mode))
}

func run(ctx context.Context, argv ...string) error {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, out)
	}
	return nil
}
