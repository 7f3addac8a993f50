package lab

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// bootIDFile is what the machine's /proc/sys/kernel/random/boot_id shows.
const bootIDFile = "/run/lab-boot-id"

// mountRoot lays the disk over the machine's root and mounts what every system has, and returns the
// folder. /proc comes later, from the machine's init.
func mountRoot(cfg Config) (string, error) {
	root := filepath.Join(cfg.Disk.dir, "merged")
	// Names in the options must not hold colons or commas; the cache's and the lab's hold neither.
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", cfg.Root, cfg.Disk.dir, cfg.Disk.dir)
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		return "", fmt.Errorf("overlay over %s: %w", cfg.Root, err)
	}
	for _, mount := range []struct{ source, target, fstype string }{
		{"sysfs", "sys", "sysfs"}, // of the new network namespace: it shows this machine's NICs
		{"run", "run", "tmpfs"},
		{"tmp", "tmp", "tmpfs"},
	} {
		if err := unix.Mount(mount.source, filepath.Join(root, mount.target), mount.fstype, 0, ""); err != nil {
			return "", fmt.Errorf("mount /%s: %w", mount.target, err)
		}
	}
	if err := bind("/dev", filepath.Join(root, "dev")); err != nil {
		return "", err
	}
	if err := writeBootID(filepath.Join(root, bootIDFile)); err != nil {
		return "", err
	}
	for _, folder := range []struct{ source, target string }{{cfg.Bin, "usr/local/sbin"}, {cfg.Mnt, "mnt"}} {
		if folder.source == "" {
			continue
		}
		if err := bind(folder.source, filepath.Join(root, folder.target)); err != nil {
			return "", err
		}
	}
	return root, nil
}

func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", from, err)
	}
	return nil
}

// writeBootID writes a fresh identity, so that each machine is another boot although the kernel is one.
func writeBootID(path string) error {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return err
	}
	id := fmt.Sprintf("%x-%x-%x-%x-%x\n", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
	return os.WriteFile(path, []byte(id), 0o444)
}
