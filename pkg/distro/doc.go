// Package distro knows the network stacks that Linux distributions configure their NICs with: which of
// them is in charge of a NIC (Detect), and how its files must read so that it and v6guest agree
// (NewPlan). It knows no packets, and starts and stops nothing.
//
// All of that is pure over a Tree, which is a root folder as it would look from inside: symbolic links
// never lead out of it. A Plan is a list of Changes, whole files with their bytes before and after, that
// can be shown as a diff. Only Store touches the disk: it applies Changes, keeps the originals with a
// manifest, and brings them back. A kill between any two of its system calls leaves every file either
// as it was or as it was to be, and Recover finishes what was begun or takes it back.
//
// A back end is one file that edits one stack's configuration: comments, order, blank lines, quoting,
// unknown keys, line endings and everything about IPv4 stay byte for byte. The list of back ends is in
// backend.go. What a stack cannot be told is a RefusalError, which names file and line and a cure.
package distro
