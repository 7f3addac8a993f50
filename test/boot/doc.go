// Package boot boots guests as real virtual machines on the networks of package cloud: Debian's kernel
// and init, its own network stacks, v6guest's units. It needs qemu; without hardware virtualisation the
// processor is emulated, which is slow and just as true.
//
// IPv4 is watched from early in each boot: an address that goes away, be it for a moment, fails the test.
package boot
