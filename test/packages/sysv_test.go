package packages

import (
	"strings"
	"testing"
)

// TestTheSysVScript starts, asks, restarts and stops the agent on a machine without systemd.
func TestTheSysVScript(t *testing.T) {
	m := image(t)
	dir, err := built()
	check(t, err)
	m.put("/tmp/v6guest.deb", packageFile(t, dir, "v6guest", "deb"))
	m.must("dpkg", "-i", "/tmp/v6guest.deb")
	m.must("ip", "link", "add", "eth0", "address", "06:a0:f0:00:00:38", "type", "veth", "peer", "name", "other")
	check(t, m.WriteFile("/etc/v6guest/v6guest.conf.d/lab.conf", "[agent]\nnics = eth0\n"))
	const script = "/etc/init.d/v6guest"
	answers := func() {
		t.Helper()
		m.must("v6guest", "status") // it answers as soon as the script has ended
		if out := m.must(script, "status"); !strings.Contains(out, "running, process ") {
			t.Errorf("status: %s", out)
		}
	}
	stopped := func() {
		t.Helper()
		if r := m.do(script, "status"); r.Code != 3 {
			t.Errorf("status of a stopped agent: exit code %d, %s", r.Code, r.Stdout)
		}
		if r := m.do("v6guest", "status"); r.Code == 0 {
			t.Error("an agent answers")
		}
	}
	stopped()
	const log = "/tmp/log"
	check(t, m.WriteFile("/usr/bin/logger", "#!/bin/sh\nexec cat >>"+log+"\n"))
	m.must("chmod", "+x", "/usr/bin/logger")
	m.must("rm", "-rf", "/lib/lsb")                 // not every machine has it
	m.must("env", "-i", "/bin/sh", script, "start") // nor a search path for whoever boots it
	answers()
	first := m.must("cat", "/run/v6guest.pid")
	if out := m.must(script, "start"); !strings.Contains(out, "running already") {
		t.Errorf("a second start: %s", out)
	}
	m.must(script, "restart")
	answers()
	if m.must("cat", "/run/v6guest.pid") == first {
		t.Error("restart did nothing")
	}
	// No address is released then, whatever release_on_stop says.
	if got := m.file(log); !strings.Contains(got, `msg="v6guest stopped" why="the agent is being restarted"`) {
		t.Errorf("the agent does not know that it was restarted:\n%s", got)
	}
	if got := m.must("cat", "/etc/sysctl.d/99-v6guest.conf"); !strings.Contains(got, "eth0") {
		t.Errorf("start did not configure: %s", got)
	}
	m.must(script, "stop")
	stopped()
	if got := m.file(log); strings.Count(got, "restarted") != 1 {
		t.Errorf("a stop is a restart:\n%s", got)
	}
	m.must(script, "stop")
	if r := m.do(script, "dance"); r.Code != 2 {
		t.Errorf("wrong usage: exit code %d", r.Code)
	}
	// What cannot start is said, and costs an exit code.
	check(t, m.WriteFile("/etc/v6guest/v6guest.conf.d/wrong.conf", "nonsense\n"))
	if r := m.do(script, "start"); r.Code != 1 || !strings.Contains(r.Stderr, "v6guest: it ended at once") {
		t.Errorf("start with a wrong configuration: exit code %d, %s", r.Code, r.Stderr)
	}
	stopped()
	m.must("rm", "/etc/v6guest/v6guest.conf.d/wrong.conf")
	// A removal stops it, too.
	m.must(script, "start")
	answers()
	m.must("dpkg", "-r", "v6guest")
	// The machine's init collects no dead children: those are not looked at.
	for line := range strings.Lines(m.do("ps", "-A", "-o", "stat=,comm=").Stdout) {
		if strings.Contains(line, "v6guest") && !strings.HasPrefix(line, "Z") {
			t.Errorf("after the removal: %s", line)
		}
	}
}
