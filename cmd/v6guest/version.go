package main

import (
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
	e.print("v6guest %s (%s, %s)", version, runtime.Version(), runtime.GOARCH)
	return nil
}

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print JSON", DisableDefaultText: true}
}
