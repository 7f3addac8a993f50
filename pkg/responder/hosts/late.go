package hosts

// lateShare of the hosts, or lateLeast, may have been added since the index was built whole: they are put into a small
// index of their own each time, which takes its time too.
const (
	lateLeast = 4096
	lateShare = 64
)

// with returns an index of the same hosts and of those of the lists, without a look at the former; nil where the lists
// must be built into one index with them: where they speak of a client or an address that stands somewhere else too,
// give an interface identifier alone, or are too many. X has none of an earlier call.
func (x *Index) with(lists [][]Host) *Index {
	n := 0
	for _, l := range lists {
		n += len(l)
	}
	if n > max(lateLeast, x.Len()/lateShare) {
		return nil
	}
	late := Build(lists...)
	if late.partially || len(late.refs)+len(late.contested) > 0 {
		return nil
	}
	for h := range late.All() {
		if x.knows(h) {
			return nil
		}
	}
	both := *x
	both.late = late
	return &both
}

// knows reports whether the index has a client or an address of the host.
func (x *Index) knows(h *Host) bool {
	for _, m := range h.MACs() {
		if x.byMAC.at(m).number != 0 {
			return true
		}
	}
	for _, d := range h.DUIDs() {
		if x.byDUID.at(d).number != 0 {
			return true
		}
	}
	for _, a := range h.Addrs() {
		if x.byAddr.at(a.As16()).number != 0 || x.partially && x.byAddr.at(identifier(a)).number != 0 {
			return true
		}
	}
	return false
}
