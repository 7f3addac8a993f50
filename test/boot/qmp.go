package boot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
)

// A reply is what qemu says over its control socket: the answer to a command, or an event.
type reply struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
}

// control sends qemu one command and waits for its answer, and then for an event where one is named.
func (m *vm) control(ctx context.Context, event, command string, arguments map[string]any) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", m.qmp)
	if err != nil {
		return err
	}
	defer conn.Close()
	if arguments == nil {
		arguments = map[string]any{}
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	var greeting json.RawMessage
	if err := in.Decode(&greeting); err != nil {
		return fmt.Errorf("qemu's control socket: %w", err)
	}
	var events []string
	for _, c := range []map[string]any{{"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}} {
		if err := out.Encode(c); err != nil {
			return err
		}
		for {
			var r reply
			if err := in.Decode(&r); err != nil {
				return fmt.Errorf("%s: %w", command, errors.Join(err, context.Cause(ctx)))
			}
			if r.Error != nil {
				return fmt.Errorf("%s: %s", command, r.Error.Desc)
			}
			if r.Return != nil {
				break
			}
			events = append(events, r.Event)
		}
	}
	for event != "" {
		for _, e := range events {
			if e == event {
				return nil
			}
		}
		var r reply
		if err := in.Decode(&r); err != nil {
			return fmt.Errorf("%s: no %s: %w", command, event, errors.Join(err, context.Cause(ctx)))
		}
		events = append(events, r.Event)
	}
	return nil
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
