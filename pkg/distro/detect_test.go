package distro

import (
	"path/filepath"
	"testing"
)

func TestDetectNamesTheStackAndItsReasons(t *testing.T) {
	cases(t, "detect/*", func(t *testing.T, c testCase) {
		var got []byte
		for _, f := range Detect(c.system(), c.nics) {
			got = append(got, f.String()+"\n"...)
		}
		golden(t, filepath.Join(c.dir, "want.txt"), got)
	})
}
