package main

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"
)

func (e *env) versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the version",
		Flags:        []cli.Flag{jsonFlag()},
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return e.printVersion(c.Bool("json"))
		},
	}
}

func (e *env) printVersion(asJSON bool) error {
	if asJSON {
		return printJSON(e.stdout, map[string]string{"version": version, "go": runtime.Version(), "arch": runtime.GOARCH})
	}
	_, err := fmt.Fprintf(e.stdout, "v6responder %s (%s, %s)\n", version, runtime.Version(), runtime.GOARCH)
	return err
}
