package guest

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestAContainerIsKnownByItsMarks(t *testing.T) {
	for _, tt := range []struct{ name, file, text, want string }{
		{"none", "etc/os-release", "", ""},
		{"systemd's", "run/systemd/container", "lxc\n", "lxc"},
		{"of the first process", "proc/1/environ", "HOME=/\x00container=systemd-nspawn\x00TERM=linux\x00", "systemd-nspawn"},
		{"a machine's first process", "proc/1/environ", "HOME=/\x00TERM=linux\x00", ""},
		{"podman's", "run/.containerenv", "", "podman"},
		{"Docker's", ".dockerenv", "", "docker"},
		{"without end", "run/systemd/container", strings.Repeat("x", 1000), strings.Repeat("x", maxKind)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := containerKind(fstest.MapFS{tt.file: {Data: []byte(tt.text)}}); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
