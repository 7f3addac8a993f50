package e2e

import (
	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
)

// startAgent starts v6guest on all of the guest's NICs. They are named, since by itself v6guest
// leaves alone what has no device behind it. More holds further lines of the [agent] section.
func startAgent(c *cloud.Cloud, more string) (*lab.Process, error) {
	nics := ""
	for _, n := range c.Nets {
		nics += " " + n.NIC
	}
	conf := "[agent]\nnics =" + nics + "\n" + more
	if err := c.Guest.WriteFile("/etc/v6guest/v6guest.conf", conf); err != nil {
		return nil, err
	}
	return c.Guest.Start("v6guest", "run")
}
