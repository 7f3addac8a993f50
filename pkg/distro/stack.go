package distro

import (
	"strings"
	"time"
)

// A Stack is a network stack that can be in charge of a NIC.
type Stack string

// The stacks. None means that nobody configures the NIC: the kernel alone does.
const (
	Networkd       Stack = "networkd"
	NetworkManager Stack = "NetworkManager"
	Ifupdown       Stack = "ifupdown"
	Ifupdown2      Stack = "ifupdown2"
	IfupdownNG     Stack = "ifupdown-ng"
	Initscripts    Stack = "initscripts"
	Wicked         Stack = "wicked"
	Dhcpcd         Stack = "dhcpcd"
	Connman        Stack = "connman"
	None           Stack = "none"
)

// A Moment is when a system is looked at: what is there to be seen differs.
type Moment string

// The moments.
const (
	Image   Moment = "image"   // an unbooted root folder: nothing but files
	Boot    Moment = "boot"    // early in boot: the generators have written, no stack runs yet
	Running Moment = "running" // the stacks run and tell
)

// A Finding says which stack is in charge of a NIC, and why.
type Finding struct {
	NIC   string
	Stack Stack
	// Generator is what writes the stack's files: "netplan", "cloud-init"; empty if a person does.
	Generator string
	// Client is the DHCP client that the stack runs for the NIC ("dhclient", "dhcpcd", "udhcpc");
	// empty for a stack's own, and when unknown.
	Client string
	// File is the file that the stack configures the NIC from; empty if there is none (yet).
	File string
	// Line is where in File the NIC is named, from 1; 0 if the whole file is about it.
	Line int
	// Conflict says which other stack claims the NIC as well; empty if none does.
	Conflict string
	// Reasons is the whole chain, in the order in which it was found.
	Reasons []string

	profile string // of NetworkManager: the uuid of the profile in use
}

// Reason is the chain of reasons in one line.
func (f Finding) Reason() string { return strings.Join(f.Reasons, "; ") }

// String is the finding in one line, as it is logged.
func (f Finding) String() string {
	s := f.NIC + ": " + string(f.Stack)
	if f.Client != "" {
		s += " with " + f.Client
	}
	if f.Generator != "" {
		s += ", from " + f.Generator
	}
	if f.Conflict != "" {
		s += ", in conflict with " + f.Conflict
	}
	return s + ": " + f.Reason()
}

// Facts are what only the running system can tell.
type Facts struct {
	Processes []Process
}

// A Process is one that runs.
type Process struct {
	PID  int      // 0 where nobody looked
	Name string   // of the program, without folder
	Args []string // without the program's own name
	// Started is when; the zero Time when that cannot be told.
	Started time.Time
}

// A System is a guest as detection and planning see it.
type System struct {
	Tree   *Tree
	Moment Moment
	Facts  Facts // of the running system; empty at the other moments
}
