package hosts

import (
	"os"
)

// Load reads the file or folder at path once, as it stands.
func Load(path string) Update {
	files := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if in, err := list(path); err == nil {
			files = in
		} // else the folder is a file that cannot be read
	}
	var t Tracker
	var out Update
	queue := []Event{Reread{Files: files, All: true}}
	for ; len(queue) > 0; queue = queue[1:] {
		for _, a := range t.Step(0, queue[0]) {
			switch a := a.(type) {
			case Read:
				text, err := readFile(a.File)
				queue = append(queue, Content{File: a.File, Text: text, Err: err})
			case Update:
				out = a
			}
		}
	}
	return out
}
