package main

import (
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/guest"
)

func (e *env) restoreCommand() *cli.Command {
	return &cli.Command{
		Name: "restore", Usage: "bring every file back as it was before `v6guest configure`",
		Description: "A file that somebody edited since stops it, and is named: then nothing is changed, unless --force is given.\n" +
			"The originals count from the next boot on, or as soon as the network stack reads its files again.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Usage: "put originals also over files that somebody edited since", DisableDefaultText: true},
			rootFlag(),
			cmdline.JSONFlag(),
		},
		Action: func(c *cli.Context) error {
			if err := e.NoArguments(c); err != nil {
				return err
			}
			f, err := guest.OpenFiles(c.String("root"), c.String("state-dir"), time.Now)
			if err != nil {
				return err
			}
			restored, err := f.Restore(c.Bool("force"))
			if err := errors.Join(err, f.Close()); err != nil {
				return err
			}
			if c.Bool("json") {
				return e.PrintJSON(map[string][]string{"restored": append([]string{}, restored...)})
			}
			for _, name := range restored {
				e.Print("%s: as it was", name)
			}
			if len(restored) == 0 {
				e.Print("there is nothing to bring back: v6guest has changed no file")
			}
			return nil
		},
	}
}
