package responder

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
)

// maxBehind is how many things whoever watches may be behind before it is left behind.
const maxBehind = 4096

// stream answers by one line of JSON for each thing that shown lets through, until whoever asked goes, the
// server stops, or the channel is closed because the other end is too slow.
func stream[T any](w http.ResponseWriter, r *http.Request, things <-chan T, stopped <-chan struct{}, shown func(T) bool) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, flusher := json.NewEncoder(w), http.NewResponseController(w)
	for err := flusher.Flush(); err == nil; {
		select {
		case v, ok := <-things:
			switch {
			case !ok:
				return
			case shown(v):
				err = errors.Join(out.Encode(v), flusher.Flush())
			}
		case <-r.Context().Done():
			return
		case <-stopped:
			return
		}
	}
}

// follow asks the server that runs with the run folder dir for a stream, and calls told for each thing in
// it, until the context ends, which is no error, or the server stops.
func follow[T any](ctx context.Context, dir, path string, words []string, told func(T) error) error {
	body, err := open(ctx, patience, dir, http.MethodGet, path+"?"+url.Values{keyFilter: words}.Encode(), func(c net.Conn) net.Conn { return c })
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil
	case err != nil:
		return err
	}
	defer body.Close()
	for in := json.NewDecoder(body); ; {
		var v T
		switch err := in.Decode(&v); {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return errors.New("the server has stopped, or there was more than could be shown")
		}
		if err := told(v); err != nil {
			return err
		}
	}
}
