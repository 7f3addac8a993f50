package inifile

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// MaxFile bounds one file, in bytes: a device or a log given by mistake is not read whole.
const MaxFile = 1 << 20

// A File is one file of a configuration.
type File struct {
	Name string
	Text []byte
	Err  error // why it could not be read; it names the file
}

// Read reads file, which always comes first, and then file+".d"/*.conf in the order of their names. A
// file that cannot be read has its error in its File: it is the caller's to say whether it must be there.
func Read(file string) []File {
	more, _ := filepath.Glob(escape(file) + ".d/*.conf") // the pattern is well-formed
	slices.Sort(more)
	out := make([]File, 0, 1+len(more))
	for _, name := range append([]string{file}, more...) {
		text, err := read(name)
		out = append(out, File{Name: name, Text: text, Err: err})
	}
	return out
}

// escape quotes what filepath.Glob would take as a pattern in the path itself.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// read reads a regular file of at most MaxFile bytes.
func read(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a named pipe without a writer is no reason to wait
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > MaxFile {
		return nil, fmt.Errorf("%s is no regular file of at most %d bytes", name, MaxFile)
	}
	return io.ReadAll(io.LimitReader(f, MaxFile)) // it may have grown since
}
