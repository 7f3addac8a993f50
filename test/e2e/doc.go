// Package e2e holds the end-to-end tests: v6guest and v6responder as programs, with real servers and
// clients of others, on real kernels' networks of package lab. They need root, and fail without it
// unless the whole run is short.
package e2e
