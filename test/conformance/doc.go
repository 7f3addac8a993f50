// Package conformance ties the lists of what the standards demand (testdata/conformance) to the tests
// that name its lines, and writes what comes of it into docs/conformance.md:
//
//	go test ./test/conformance -update
package conformance
