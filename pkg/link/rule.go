package link

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A Rule has the kernel ask a routing table for what leaves from one IPv6 address: "from ADDR lookup
// TABLE". Rules with any other condition or action are none of these.
type Rule struct {
	// Priority is when it is asked, lower first. The kernel asks TableMain at 32766.
	Priority int
	From     netip.Addr
	Table    int
	Protocol Protocol // who made it; 0 where nobody said so, as before Linux 4.17
}

// ruleToTable is the action of a rule that names a table. A struct fib_rule_hdr is written and read as a
// struct rtmsg: family, lengths and table have the same places, and the action has that of the type.
const ruleToTable = unix.FR_ACT_TO_TBL

// InstallRule adds a rule; a Protocol of 0 stands for ProtoDHCP. That there is such a rule already is
// success. Errors: os.ErrPermission, and ErrIPv6Off where the kernel has no policy routing.
func (k *Kernel) InstallRule(ctx context.Context, r Rule) error {
	if r.Protocol == 0 {
		r.Protocol = ProtoDHCP
	}
	if err := r.check(); err != nil {
		return fmt.Errorf("install %s: %w", r, err)
	}
	err := k.change(ctx, unix.RTM_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, r.request()...)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return kernelError(err, "install %s", r)
}

// RemoveRule removes a rule as Rules listed it. That it is gone already is success.
func (k *Kernel) RemoveRule(ctx context.Context, r Rule) error {
	if err := r.check(); err != nil {
		return fmt.Errorf("remove %s: %w", r, err)
	}
	err := k.change(ctx, unix.RTM_DELRULE, 0, r.request()...)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return kernelError(err, "remove %s", r)
}

// Rules lists the rules of the namespace. A kernel without policy routing has none.
func (k *Kernel) Rules(ctx context.Context) ([]Rule, error) {
	msgs, err := k.rules(ctx)
	var out []Rule
	for _, m := range msgs {
		if r, ok := decodeRule(m); ok {
			out = append(out, r)
		}
	}
	return out, err
}

// TablesOfOthers are the routing tables that IPv6 rules and routes of others refer to: of any protocol but
// ProtoDHCP, which is ours. A Rule of which nobody said who made it may be ours, and counts for none.
func (k *Kernel) TablesOfOthers(ctx context.Context) (map[int]bool, error) {
	msgs, err := k.rules(ctx)
	if err != nil {
		return nil, err
	}
	routes, err := k.Routes(ctx, 0)
	if err != nil {
		return nil, err
	}
	out := map[int]bool{}
	for _, m := range msgs {
		if table, protocol := tableOfRule(m); protocol != ProtoDHCP && (protocol != 0 || !isRule(m)) {
			out[table] = true
		}
	}
	for _, r := range routes {
		if r.Protocol != ProtoDHCP {
			out[r.Table] = true
		}
	}
	return out, nil
}

// tableOfRule reads of any rule which table it is about, 0 for none, and who made it.
func tableOfRule(b []byte) (table int, by Protocol) {
	if len(b) < unix.SizeofRtMsg {
		return 0, 0
	}
	table = int(b[4])
	for t, v := range attributes(b[unix.SizeofRtMsg:]) {
		switch {
		case t == unix.FRA_TABLE:
			table = int(u32(v))
		case t == unix.FRA_PROTOCOL && len(v) > 0:
			by = Protocol(v[0])
		}
	}
	return table, by
}

func isRule(b []byte) bool {
	_, ok := decodeRule(b)
	return ok
}

func (k *Kernel) rules(ctx context.Context) ([][]byte, error) {
	msgs, err := k.dump(ctx, unix.RTM_GETRULE, unix.RTM_NEWRULE, routeHeader(unix.AF_INET6))
	if noRules(err) {
		return nil, nil
	}
	return msgs, kernelError(err, "list routing rules")
}

// noRules reports whether the kernel answered that it has no policy routing for IPv6.
func noRules(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT)
}

func (r Rule) check() error {
	switch {
	case !r.From.Is6() || r.From.Is4In6() || r.From.Zone() != "":
		return errors.New("the source is not an IPv6 address")
	case r.Priority <= 0 || r.Table <= 0:
		return errors.New("priority and table must be given")
	}
	return nil
}

// String writes the rule as ip(8) does.
func (r Rule) String() string {
	return fmt.Sprintf("rule %d: from %s lookup %d", r.Priority, r.From, r.Table)
}

func (r Rule) request() []nl.NetlinkRequestData {
	header := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET6, Src_len: 128, Type: ruleToTable}}
	data := []nl.NetlinkRequestData{
		header,
		nl.NewRtAttr(unix.FRA_SRC, r.From.AsSlice()),
		nl.NewRtAttr(unix.FRA_PRIORITY, nl.Uint32Attr(uint32(r.Priority))),
		nl.NewRtAttr(unix.FRA_TABLE, nl.Uint32Attr(uint32(r.Table))),
	}
	if r.Protocol != 0 {
		data = append(data, nl.NewRtAttr(unix.FRA_PROTOCOL, []byte{byte(r.Protocol)}))
	}
	return data
}

// decodeRule reads an RTM_NEWRULE or RTM_DELRULE message; ok is false for a rule that is more, or less,
// than a source address and a table.
func decodeRule(b []byte) (r Rule, ok bool) {
	if len(b) < unix.SizeofRtMsg || b[0] != unix.AF_INET6 || b[1] != 0 || b[2] != 128 || b[3] != 0 ||
		b[7] != ruleToTable || binary.NativeEndian.Uint32(b[8:])&unix.FIB_RULE_INVERT != 0 {
		return Rule{}, false
	}
	r.Table = int(b[4])
	for t, v := range attributes(b[unix.SizeofRtMsg:]) {
		switch t {
		case unix.FRA_SRC:
			r.From = address(v)
		case unix.FRA_PRIORITY:
			r.Priority = int(u32(v))
		case unix.FRA_TABLE:
			r.Table = int(u32(v))
		case unix.FRA_PROTOCOL:
			if len(v) > 0 {
				r.Protocol = Protocol(v[0])
			}
		case unix.FRA_SUPPRESS_PREFIXLEN, unix.FRA_SUPPRESS_IFGROUP:
			if u32(v) != ^uint32(0) { // the kernel writes this where nothing is suppressed
				return Rule{}, false
			}
		case 0: // padding
		default:
			return Rule{}, false
		}
	}
	return r, r.From.Is6()
}

// ruleMessage follows rules. The kernel may have several that are alike; each is told once.
func (s *state) ruleMessage(b []byte, gone bool) {
	r, ok := decodeRule(b)
	switch {
	case !ok:
	case gone:
		s.ruleGone(r)
	case s.stale[listRules]: // its list comes
	default:
		s.meet(listRules, r)
		if !s.rules[r] {
			s.rules[r] = true
			s.emit(RuleChanged{r})
		}
	}
}

func (s *state) ruleGone(r Rule) {
	if s.rules[r] {
		delete(s.rules, r)
		s.emit(RuleGone{r})
	}
}
