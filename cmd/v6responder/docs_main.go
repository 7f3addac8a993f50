//go:build docs

package main

import (
	"os"

	"github.com/v6guest/v6guest/cmd/internal/manual"
)

// main writes the manual: go run -tags docs . DIR
func main() {
	e := &env{Program: newProgram(os.Stdout, os.Stderr)}
	os.Exit(manual.Main(e.book(), os.Args[1:]))
}
