package sysctl

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLinesThatWinOverOursAreReported(t *testing.T) {
	ours := []Setting{{AcceptRA, "0"}, {DisableIPv6, "0"}}
	over := func(path string, n int, value string, mark ...func(*Override)) Override {
		o := Override{Path: path, Line: n, NIC: "eth0.7", Want: ours[0], Value: value}
		for _, m := range mark {
			m(&o)
		}
		return o
	}
	pattern := func(o *Override) { o.Pattern = true }
	procps := func(o *Override) { o.ProcpsOnly = true }
	dis := func(o *Override) { o.Want = ours[1] }

	for _, tt := range []struct {
		name  string
		files map[string]string
		links map[string]string
		want  []Override
	}{
		{name: "nothing else"},
		{name: "earlier names lose, in whichever folder", files: map[string]string{
			"etc/sysctl.d/10-a.conf":         "net/ipv6/conf/eth0.7/accept_ra=1\n",
			"usr/lib/sysctl.d/50-b.conf":     "net/ipv6/conf/eth0.7/accept_ra=1\n",
			"etc/sysctl.d/99-sysctl.conf":    "net/ipv6/conf/eth0.7/accept_ra=1\n",
			"etc/sysctl.d/zz-no-suffix":      "net/ipv6/conf/eth0.7/accept_ra=1\n",
			"etc/sysctl.d/zz.conf/no-folder": "",
		}},
		{name: "later names win, in both spellings", files: map[string]string{
			"etc/sysctl.d/99-x.conf":           "# x\n\nnet.ipv6.conf.eth0/7.accept_ra = 1\n",
			"usr/local/lib/sysctl.d/99-w.conf": "net/ipv6/conf/eth0.7/accept_ra=1\n",
		}, want: []Override{over("/etc/sysctl.d/99-x.conf", 3, "1")}},
		{name: "the last line counts", files: map[string]string{
			"etc/sysctl.d/99-x.conf": "net/ipv6/conf/eth0.7/accept_ra=1\nnet/ipv6/conf/eth0.7/accept_ra = 0\n",
		}},
		{name: "of files with one name that in /etc counts", files: map[string]string{
			"etc/sysctl.d/99-x.conf":     "",
			"run/sysctl.d/99-x.conf":     "net/ipv6/conf/eth0.7/accept_ra=1\n",
			"usr/lib/sysctl.d/99-x.conf": "net/ipv6/conf/eth0.7/accept_ra=1\n",
		}},
		{
			name: "a masked file", files: map[string]string{"usr/lib/sysctl.d/99-x.conf": "net/ipv6/conf/eth0.7/accept_ra=1\n"},
			links: map[string]string{"etc/sysctl.d/99-x.conf": "/dev/null"},
		},
		{
			name: "links, absolute as seen from the root", files: map[string]string{"opt/x": "net/ipv6/conf/eth0.7/accept_ra=1\n"},
			links: map[string]string{"etc/sysctl.d/99-x.conf": "/opt/x", "run/sysctl.d/99-y.conf": "../../../../../etc/passwd"},
			want:  []Override{over("/etc/sysctl.d/99-x.conf", 1, "1")},
		},
		{
			name: "a pattern", files: map[string]string{"etc/sysctl.d/99-x.conf": "net.ipv6.conf.*.accept_ra = 1\n"},
			want: []Override{over("/etc/sysctl.d/99-x.conf", 1, "1", pattern)},
		},
		{name: "other NICs", files: map[string]string{"etc/sysctl.d/99-x.conf": strings.Join([]string{
			"net.ipv6.conf.eth0.accept_ra=1", "net.ipv6.conf.eth0.7.accept_ra=1", "net.ipv6.conf.all.accept_ra=1",
			"net.ipv6.conf.default.accept_ra=1", "net.ipv4.conf.eth0/7.accept_ra=1", "#net.ipv6.conf.eth0/7.accept_ra=1",
		}, "\n")}},
		{
			name: "all, where the kernel hands it on", files: map[string]string{"etc/sysctl.d/99-x.conf": "net.ipv6.conf.all.disable_ipv6 = 1\n"},
			want: []Override{over("/etc/sysctl.d/99-x.conf", 1, "1", dis)},
		},
		{name: "sysctl.conf, which procps reads last", files: map[string]string{
			"etc/sysctl.conf":        "net/ipv6/conf/eth0.7/accept_ra=1\n",
			"etc/sysctl.d/99-x.conf": "net/ipv6/conf/eth0.7/accept_ra=2\n",
		}, want: []Override{over("/etc/sysctl.d/99-x.conf", 1, "2"), over("/etc/sysctl.conf", 1, "1", procps)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := Persistent{Root: t.TempDir()}
			_, err := p.Put("eth0.7", ours)
			check(t, err)
			for name, text := range tt.files {
				plant(t, p, name, text)
			}
			for name, target := range tt.links {
				check(t, os.MkdirAll(filepath.Join(p.Root, filepath.Dir(name)), 0o755))
				check(t, os.Symlink(target, filepath.Join(p.Root, name)))
			}
			got, err := p.Overrides("eth0.7")
			check(t, err)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("overrides (-want +got):\n%s", d)
			}
			for _, o := range got {
				if !strings.Contains(o.String(), o.Path) || !strings.Contains(o.Cure(), o.Path) {
					t.Errorf("%s; cure: %s", o, o.Cure())
				}
			}
		})
	}
}

// A FIFO in the folder must not hold us up.
func TestOverridesPassOverWhatIsNoFile(t *testing.T) {
	p := Persistent{Root: t.TempDir()}
	_, err := p.Put("eth0", secondary)
	check(t, err)
	check(t, syscall.Mkfifo(filepath.Join(p.Root, "etc/sysctl.d/99-x.conf"), 0o644))
	if got, err := p.Overrides("eth0"); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}
