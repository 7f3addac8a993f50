//go:build docs

package main

import (
	"fmt"
	"os"
)

// main writes the manual pages, the configuration file and the completions below the folder that is
// named: go run -tags docs . DIR
func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run -tags docs . DIR")
		os.Exit(2)
	}
	e := &env{Program: newProgram(os.Stdout, os.Stderr)}
	if err := e.book().Write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
