package boot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
)

// A reply is what qemu says over its control socket: the answer to a command, or an event.
type reply struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
}

// A line is a connection to qemu's control socket. Events that come are kept until somebody asks for them.
type line struct {
	conn   net.Conn
	in     *json.Decoder
	events []string
}

// dial opens one; qemu serves one at a time. Every event from then on is told.
func (m *vm) dial(ctx context.Context) (*line, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", m.qmp)
	if err != nil {
		return nil, err
	}
	l := &line{conn: conn, in: json.NewDecoder(conn)}
	context.AfterFunc(ctx, func() { conn.Close() })
	var greeting json.RawMessage
	if err := l.in.Decode(&greeting); err != nil {
		return nil, errors.Join(fmt.Errorf("qemu's control socket: %w", err), conn.Close())
	}
	if err := l.command(ctx, "qmp_capabilities", nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return l, nil
}

// command sends a command and waits for its answer.
func (l *line) command(ctx context.Context, name string, arguments map[string]any) error {
	if arguments == nil {
		arguments = map[string]any{}
	}
	if err := json.NewEncoder(l.conn).Encode(map[string]any{"execute": name, "arguments": arguments}); err != nil {
		return err
	}
	for {
		var r reply
		if err := l.in.Decode(&r); err != nil {
			return fmt.Errorf("%s: %w", name, errors.Join(err, context.Cause(ctx)))
		}
		switch {
		case r.Error != nil:
			return fmt.Errorf("%s: %s", name, r.Error.Desc)
		case r.Return != nil:
			return nil
		}
		l.events = append(l.events, r.Event)
	}
}

// await waits for an event, which may have come already.
func (l *line) await(ctx context.Context, event string) error {
	for !slices.Contains(l.events, event) {
		var r reply
		if err := l.in.Decode(&r); err != nil {
			return fmt.Errorf("no %s: %w", event, errors.Join(err, context.Cause(ctx)))
		}
		l.events = append(l.events, r.Event)
	}
	return nil
}

// control sends qemu one command and waits for its answer, and then for an event where one is named.
func (m *vm) control(ctx context.Context, event, command string, arguments map[string]any) error {
	l, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer l.conn.Close()
	if err := l.command(ctx, command, arguments); err != nil || event == "" {
		return err
	}
	return l.await(ctx, event)
}

// plug puts a NIC into the running machine.
func (m *vm) plug(ctx context.Context, i int) error {
	return m.control(ctx, "", "device_add", map[string]any{
		"driver": "virtio-net-pci", "netdev": fmt.Sprintf("n%d", i), "id": fmt.Sprintf("nic%d", i), "mac": m.nics[i].mac.String(),
	})
}

// unplug takes it out, and waits until the guest has let it go.
func (m *vm) unplug(ctx context.Context, i int) error {
	return m.control(ctx, "DEVICE_DELETED", "device_del", map[string]any{"id": fmt.Sprintf("nic%d", i)})
}
