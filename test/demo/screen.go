package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A screen prints the story: steps in bold, evidence dimmed, the verdict in green or red; no colour
// where the output is no terminal or the environment asks for none.
type screen struct {
	w      io.Writer
	colour bool
	steps  int
}

const noColour = "NO_COLOR" //nolint:misspell // the name that programs have agreed on

func newScreen(f *os.File) *screen {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return &screen{w: f, colour: err == nil && os.Getenv(noColour) == ""}
}

func (s *screen) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// step begins a part of the story.
func (s *screen) step(title string) {
	s.steps++
	fmt.Fprintf(s.w, "\n%s\n", s.paint("1", fmt.Sprintf("%d. %s", s.steps, title)))
}

// say prints a sentence.
func (s *screen) say(format string, args ...any) {
	fmt.Fprintf(s.w, "   %s\n", fmt.Sprintf(format, args...))
}

// good and bad print a sentence that was checked.
func (s *screen) good(format string, args ...any) {
	fmt.Fprintf(s.w, "   %s %s\n", s.paint("32", "ok"), fmt.Sprintf(format, args...))
}

// show prints evidence, a command's output or packets, as it is.
func (s *screen) show(title, text string) {
	fmt.Fprintf(s.w, "   %s\n", s.paint("36", title))
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, " \n"); line != "" {
			fmt.Fprintf(s.w, "   %s\n", s.paint("2", "  | "+line))
		}
	}
}

func (s *screen) verdict(good bool, text string) {
	code := "1;32"
	if !good {
		code = "1;31"
	}
	fmt.Fprintf(s.w, "\n%s\n", s.paint(code, text))
}
