package roots

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// keyring holds the keys of every Debian release; it belongs to an essential part of Debian.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// archive returns the address of the Debian archive that this machine's apt uses. apt itself is
// asked, so that every form of its configuration is understood.
func archive(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format",
		"$(COMPONENT) $(RELEASE) $(REPO_URI)", "Created-By: Packages").Output()
	if err != nil {
		return "", fmt.Errorf("apt-get indextargets: %w", err)
	}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", fmt.Errorf("which Debian is this: %w", err)
	}
	uri := pick(string(out), codename(string(release)))
	if list, ok := strings.CutPrefix(uri, "mirror+file:"); ok {
		return firstMirror(list)
	}
	if uri == "" {
		return "", ErrNoArchive
	}
	return uri, nil
}

// pick chooses among apt's lines "component release address" the archive's: component main of the
// machine's own release, under its code name or the name that moves.
func pick(targets, codename string) string {
	for line := range strings.Lines(targets) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] != "main" || strings.HasPrefix(f[2], "cdrom:") {
			continue
		}
		switch f[1] {
		case codename, "stable", "oldstable", "testing", "sid", "unstable":
			return f[2]
		}
	}
	return ""
}

// codename reads the release's name from the text of os-release.
func codename(release string) string {
	for line := range strings.Lines(release) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok {
			return strings.Trim(name, `"`)
		}
	}
	return ""
}

// firstMirror returns the first address of a list of mirrors, as cloud images use them.
func firstMirror(list string) (string, error) {
	text, err := os.ReadFile(list)
	if err != nil {
		return "", fmt.Errorf("apt's list of mirrors: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 0 && !strings.HasPrefix(f[0], "#") {
			return f[0], nil
		}
	}
	return "", ErrNoArchive
}

// proxies returns the environment by which debootstrap uses the proxies that apt is told to use.
func proxies(ctx context.Context) []string {
	var env []string
	for _, scheme := range []string{"http", "https"} {
		out, err := exec.CommandContext(ctx, "apt-config", "shell", "P", "Acquire::"+scheme+"::Proxy").Output()
		if err != nil {
			continue
		}
		_, value, ok := strings.Cut(strings.TrimSpace(string(out)), "=")
		if value = strings.Trim(value, "'"); ok && value != "" && value != "DIRECT" {
			env = append(env, scheme+"_proxy="+value)
		}
	}
	return env
}
