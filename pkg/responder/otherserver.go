package responder

import (
	"log/slog"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

// maxOtherServers is how many other servers of one link are told apart; those beyond are counted only,
// since whoever sends can name as many as it likes.
const maxOtherServers = 8

// otherServers remembers when the log was told of a server, by the link. A server's answers go to the guests
// alone, but what guests send to it goes to the group, with its DUID in it.
type otherServers map[string]map[wire.DUID]clock.Instant

// hearOtherServer tells of a server that a guest speaks to instead of this one, once an hour each.
func (e *Engine) hearOtherServer(r *Received) {
	told := e.others[r.Interface]
	if told == nil {
		told = map[wire.DUID]clock.Instant{}
		e.others[r.Interface] = told
	}
	at, known := told[r.Msg.ServerID]
	if known && e.now.Sub(at) < reportEvery {
		return
	}
	if !known && len(told) >= maxOtherServers {
		for duid, at := range told {
			if e.now.Sub(at) >= reportEvery {
				delete(told, duid)
			}
		}
		if len(told) >= maxOtherServers {
			return
		}
	}
	told[r.Msg.ServerID] = e.now
	attrs := append(origin(r), slog.Any("server", r.Msg.ServerID),
		slog.String("try", "look for that server; if it is what this one was before it was rebuilt, write its DUID as duid = into [server]"))
	e.out = append(e.out, Report{Level: slog.LevelWarn, Message: "another DHCPv6 server is on the link", Attrs: attrs})
}
