// Package e2e holds the end-to-end tests: v6guest and v6responder as programs, with real servers and
// clients of others, on real kernels' networks of package lab. They need root: make test insists
// on it, and a plain go test without it leaves them out.
package e2e
