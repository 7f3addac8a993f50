// Package packages has no code of its own: its tests build what users get (the packages, with their
// manual pages, completions, units and maintainer scripts) and give it to those that judge and use it:
// mandoc, the shells, lintian, dpkg, rpm, systemd, in a cached root that holds them. They need root.
package packages
