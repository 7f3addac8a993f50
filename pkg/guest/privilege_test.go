package guest

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/fault"
)

func TestAnAgentWithoutPrivilegeSaysWhatItLacks(t *testing.T) {
	const all = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_NET_RAW
	if err := lacking(all | 1<<unix.CAP_BPF); err != nil {
		t.Errorf("with all of them: %v", err)
	}
	err := lacking(all &^ (1 << unix.CAP_NET_RAW))
	if err == nil || err.Error() != "the agent lacks CAP_NET_RAW" || fault.ExitCode(err) != fault.ExitNotPermitted {
		t.Errorf("without one: %v", err)
	}
	if err := lacking(0); err == nil || !strings.Contains(err.Error(), "CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_NET_RAW") {
		t.Errorf("without any: %v", err)
	}
}
