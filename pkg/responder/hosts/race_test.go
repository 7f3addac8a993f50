//go:build race

package hosts_test

const raceEnabled = true
