package client

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // the algorithm of section 20.4, not a choice
	"encoding/binary"
	"log/slog"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/wire"
)

// The Reconfiguration Key Authentication Protocol (section 20.4).
const (
	rkapProtocol  = 3
	rkapAlgorithm = 1 // HMAC-MD5
	rkapMonotonic = 0 // replay detection method
	rkapKey       = 1 // what Info's first byte says of the rest
	rkapDigest    = 2
	rkapLen       = 17
	authInfoAt    = 11 // where Info starts in the option's data
)

// rkap reports whether an Authentication option is of the protocol and holds what.
func rkap(a *wire.Auth, what byte) bool {
	return a != nil && a.Protocol == rkapProtocol && a.Algorithm == rkapAlgorithm && a.RDM == rkapMonotonic &&
		len(a.Info) == rkapLen && a.Info[0] == what
}

// learnKey takes from a Reply whether its server may send Reconfigures, and the key to know them by.
// The first key of a server counts, and its replay value is taken without a check (section 20.3).
func (e *Engine) learnKey(m *wire.Message) {
	if e.cfg.NoReconfigure || !m.ReconfigureAccept && !rkap(m.Auth, rkapKey) {
		return
	}
	if e.key == nil || e.key.Server != m.ServerID {
		e.key = &ReconfigureKey{Server: m.ServerID}
	} else {
		k := *e.key // what was given out with a Save stays as it was
		e.key = &k
	}
	e.key.Accepted = e.key.Accepted || m.ReconfigureAccept
	if rkap(m.Auth, rkapKey) && !e.key.HasKey {
		copy(e.key.Key[:], m.Auth.Info[1:])
		e.key.HasKey = true
		e.key.Replay, e.key.HasReplay = m.Auth.Replay, true
	}
}

// keyOf is what is known of a server's Reconfigures, nil if nothing.
func (e *Engine) keyOf(server wire.DUID) *ReconfigureKey {
	if e.key == nil || e.key.Server != server {
		return nil
	}
	return e.key
}

// mayReconfigure reports whether the server of the binding agreed to send Reconfigures.
func (e *Engine) mayReconfigure() bool {
	return e.binding != nil && !e.cfg.NoReconfigure && e.key != nil && e.key.Server == e.binding.server && e.key.Accepted
}

// reconfigure takes in a Reconfigure (section 18.2.11).
func (e *Engine) reconfigure(ev Received) {
	if why := e.distrust(ev); why != "" {
		e.drop(ev, why)
		return
	}
	e.acceptReplay(ev.Msg.Auth.Replay)
	e.report(slog.LevelInfo, "reconfigure", slog.String("type", wire.TypeName(ev.Msg.ReconfigureMessage)), serverAttr(ev.Msg.ServerID))
	switch ev.Msg.ReconfigureMessage {
	case dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind:
		if e.binding == nil || e.main != nil {
			return // what is under way asks for more than that
		}
		if ev.Msg.ReconfigureMessage == dhcpv6.MessageTypeRenew {
			e.renewOrRebind(true)
		} else {
			e.rebind(true)
		}
	default: // Information-request: section 16.11 leaves no other
		e.inform(ev.Msg.ServerID, 0)
	}
}

// distrust says why a Reconfigure is not acted upon, "" if it is (sections 16.11 and 20.3). What the
// message alone shows is checked already.
func (e *Engine) distrust(ev Received) string {
	m := ev.Msg
	switch k := e.keyOf(m.ServerID); {
	case !ev.To.IsValid() || ev.To.IsMulticast():
		return "Reconfigure that was not unicast"
	case e.cfg.NoReconfigure || k == nil || !k.Accepted:
		return "Reconfigure that was not agreed upon"
	case !k.HasKey || !rkap(m.Auth, rkapDigest):
		return "Reconfigure without valid authentication"
	case !authentic(ev.Raw, k.Key[:]):
		return "Reconfigure with a wrong digest"
	case k.HasReplay && m.Auth.Replay <= k.Replay:
		return "Reconfigure that was replayed"
	case e.main != nil && e.main.byReconfigure || e.info != nil && e.info.byReconfigure:
		return "Reconfigure while another is answered"
	}
	return ""
}

// acceptReplay records a replay detection value, also for the time after a restart.
func (e *Engine) acceptReplay(value uint64) {
	k := *e.key
	k.Replay, k.HasReplay = value, true
	e.key = &k
	if b := e.binding; b != nil && e.replaced == nil && k.Server == b.server {
		l := *b.lease
		l.Reconfigure = e.key
		b.lease = &l
		e.do(Save{Lease: b.lease})
	}
}

// authentic reports whether raw carries the HMAC-MD5 digest of itself, computed with zeros in place of
// the digest (section 20.4.3).
func authentic(raw, key []byte) bool {
	at := digestAt(raw)
	if at < 0 {
		return false
	}
	got := bytes.Clone(raw[at : at+md5.Size])
	zeroed := bytes.Clone(raw)
	clear(zeroed[at : at+md5.Size])
	mac := hmac.New(md5.New, key)
	_, _ = mac.Write(zeroed) // a hash takes everything
	return hmac.Equal(got, mac.Sum(nil))
}

// digestAt is where the digest lies in a message with exactly one Authentication option, -1 in any
// other (section 20.2).
func digestAt(raw []byte) int {
	at := -1
	for i := dhcpv6.MessageHeaderSize; i+4 <= len(raw); {
		code, n := dhcpv6.OptionCode(binary.BigEndian.Uint16(raw[i:])), int(binary.BigEndian.Uint16(raw[i+2:]))
		if i += 4; i+n > len(raw) {
			return -1
		}
		if code == dhcpv6.OptionAuth {
			if at >= 0 || n != authInfoAt+rkapLen {
				return -1
			}
			at = i + authInfoAt + 1
		}
		i += n
	}
	return at
}
