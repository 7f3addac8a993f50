// Package guest is the guest as a whole: which NICs v6guest looks after, which of them is the default
// one, what the kernel is told about Router Advertisements on each, who leases, and the loop that
// makes it so and keeps it so.
//
//	Config  what the administrator wrote (Keys is the one table of every key)
//	Facts   what the kernel says: NICs, IPv4 default routes, what an earlier boot chose
//	Plan    the decision, pure and printable: NewPlan(config, facts)
//	Agent   one goroutine that applies the plan, starts a client on each NIC and answers the control socket
//	Status  what is and what is missing, as the control socket says it
//
// The protocols are packages client and ra, the kernel is packages link and sysctl: guest reaches
// each through a small seam, so that its loop is tested against a kernel that is not there.
package guest
