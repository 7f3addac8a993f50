// Package kill has no code of its own: its test ends v6guest by SIGKILL at one system call after the
// other, by strace, while it changes files or brings them back, and looks what is left: every file is
// whole, and the next run finishes or undoes. The short run does so with the files of one back end,
// `make test-long` with those of all. It needs root.
package kill
