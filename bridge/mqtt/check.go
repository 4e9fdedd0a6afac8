package mqtt

import (
	"context"
	"fmt"

	"github.com/eclipse/paho.golang/packets"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// Check connects, and finds out whether the broker would take a frame of that size. Whether the user may publish cannot be asked in MQTT,
// other than by a message that subscribers get. It uses a connection of its own, under the configured client id: a broker ends an older
// connection of the same.
func (s *Sink) Check(ctx context.Context, f *schema.Frame) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	l, err := dial(ctx, s.url, &s.cfg)
	if err != nil {
		return fmt.Errorf("connecting to mqtt at %s: %w", address(s.url), err)
	}
	defer l.raw.Close()
	if err := l.write(&packets.Disconnect{Properties: &packets.Properties{}}); err != nil {
		return fmt.Errorf("%w: leaving %s: %w", bridge.ErrNotConnected, address(s.url), err)
	}
	m := &packets.Publish{QoS: qos, Topic: s.cfg.Topic.Expand(f), Payload: f.Data, Properties: &packets.Properties{ContentType: f.ContentType}}
	f.EachHeader(func(name, value string) {
		m.Properties.User = append(m.Properties.User, packets.User{Key: name, Value: value})
	})
	if n := size(m); l.maxPacket > 0 && n > l.maxPacket {
		return fmt.Errorf("%w: a packet of %d bytes is more than the %d that the broker takes", bridge.ErrRejected, n, l.maxPacket)
	}
	return nil
}
