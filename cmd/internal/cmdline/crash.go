package cmdline

import "runtime/debug"

// CrashBySignal makes a panic, and the SIGABRT of a service manager's watchdog, end the program by a signal. Go's own
// exit code would be 2, by which systemd knows a configuration that cannot be used: it would not start the program again.
func CrashBySignal() { debug.SetTraceback("crash") }
