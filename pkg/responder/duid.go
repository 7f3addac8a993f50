package responder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/v6guest/v6guest/pkg/durable"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/plainfile"
	"github.com/v6guest/v6guest/pkg/wire"
)

// duidFile is where the server's DUID is kept, in the state folder. It stays the same when the NIC that
// it was made of is replaced (RFC 9915, section 11).
const duidFile = "server-duid.json"

// duidFormat is the format of the file; a newer one is refused.
const duidFormat = 1

// maxDUIDFile is how long the file may be: a DUID has 130 bytes at most.
const maxDUIDFile = 4096

// duidCure is what helps where something else is in the file's place.
const duidCure = "write the server's DUID into [server] as duid = …, or remove the file to begin with a new one"

// A storedDUID is what the file holds.
type storedDUID struct {
	Format int       `json:"format"`
	DUID   wire.DUID `json:"duid"`
}

// loadDUID reads the DUID that was kept in the folder; "" if there is none yet. A file that cannot be
// understood is an error, since another DUID would make the server another one for every client.
func loadDUID(dir string) (wire.DUID, error) {
	name := filepath.Join(dir, duidFile)
	b, err := plainfile.Read(name, maxDUIDFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case errors.Is(err, fs.ErrPermission):
		return "", fault.New(fault.ExitNotPermitted, fmt.Sprintf("let the service's user (uid %d) own and read the file and its folder", os.Geteuid()), "server DUID: %w", err)
	case err != nil:
		return "", fault.New(fault.ExitFailure, duidCure, "server DUID: %w", err)
	}
	var s storedDUID
	err = json.Unmarshal(b, &s)
	switch {
	case err == nil && s.Format > duidFormat:
		err = fmt.Errorf("format %d is newer than this program", s.Format)
	case err == nil && (s.Format < 1 || !s.DUID.Valid()):
		err = errors.New("it holds no DUID")
	}
	if err != nil {
		return "", &fault.Fault{
			Err:  fmt.Errorf("server DUID: %s: %w", name, err),
			Cure: duidCure,
		}
	}
	return s.DUID, nil
}

// saveDUID keeps the DUID: on disk, under its final name, before it returns.
func saveDUID(dir string, duid wire.DUID) error {
	b, err := json.Marshal(storedDUID{duidFormat, duid})
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = durable.Replace(filepath.Join(dir, duidFile), append(b, '\n'), 0o600)
	}
	if err != nil {
		return &fault.Fault{
			Err:  fmt.Errorf("keep the server DUID: %w", err),
			Cure: fmt.Sprintf("make %s a folder that can be written to, or write duid = %s into [server]", dir, duid),
		}
	}
	return nil
}
