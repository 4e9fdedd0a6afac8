package mqtt

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"github.com/edge-video/edge-video/bridge"
)

const (
	// keepAlive is after how much silence either side takes the other for lost. A broker can ask for another time.
	keepAlive = 30 * time.Second
	// maxAnswer bounds what the broker may send at once, in bytes. We subscribe to nothing, so all of it is short.
	maxAnswer = 64 << 10
	// outBuffer is for what stands in front of a picture, which itself goes past it.
	outBuffer = 4 << 10
)

var errOldVersion = errors.New("the broker does not speak MQTT 5")

// link is a connection on which the broker has accepted us.
type link struct {
	raw  net.Conn // under conn. Closing it is the way out of a write that hangs.
	conn net.Conn // raw, or TLS over it
	in   *bufio.Reader

	writing sync.Mutex
	out     *bufio.Writer

	// What the broker said of itself.
	keepAlive time.Duration // 0 is no limit
	inFlight  int           // messages without an acknowledgement
	maxPacket int64         // bytes; 0 is not known
}

// dial opens a link within ctx.
func dial(ctx context.Context, u *url.URL, cfg *Config) (*link, error) {
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", address(u))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	l := &link{raw: raw, conn: raw}
	if u.Scheme == "mqtts" {
		err = l.secure(ctx, u.Hostname(), cfg.TLS)
	}
	if err == nil {
		l.in, l.out = bufio.NewReader(l.conn), bufio.NewWriterSize(l.conn, outBuffer)
		if err = l.login(u.User, cfg); u.Scheme == "mqtts" {
			err = bridge.AfterHandshake(err)
		}
	}
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	return l, nil
}

func (l *link) secure(ctx context.Context, host string, proofs bridge.TLS) error {
	config, err := proofs.Config(host)
	if err != nil {
		return err
	}
	conn := tls.Client(l.raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return &bridge.SinkFault{Fault: bridge.FaultTLS, Err: err}
	}
	l.conn = conn
	return nil
}

// login introduces us and reads what the broker is able to do.
func (l *link) login(user *url.Userinfo, cfg *Config) error {
	most := uint32(maxAnswer)
	hello := &packets.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: cfg.ClientID, CleanStart: true,
		KeepAlive: uint16(keepAlive / time.Second), Properties: &packets.Properties{MaximumPacketSize: &most}}
	if user != nil {
		hello.UsernameFlag, hello.Username = true, user.Username()
		if password, ok := user.Password(); ok {
			hello.PasswordFlag, hello.Password = true, []byte(password)
		}
	}
	if err := l.write(hello); err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	// in older versions the answer ends after its code, which the library takes for a torn packet
	if head, err := l.in.Peek(4); err == nil && head[0] == packets.CONNACK<<4 && head[1] == 2 {
		return fmt.Errorf("%w (its answer is %d)", errOldVersion, head[3])
	}
	p, err := l.read()
	if err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	answer, ok := p.Content.(*packets.Connack)
	if !ok {
		return fmt.Errorf("logging in: the broker answers with %s", p.PacketType())
	}
	if answer.ReasonCode >= failure {
		return refused(answer)
	}
	return l.adopt(answer.Properties, cfg.Retain)
}

// adopt takes over the broker's limits.
func (l *link) adopt(p *packets.Properties, retain bool) error {
	switch {
	case p.MaximumQOS != nil && *p.MaximumQOS < 1:
		return errors.New("the broker takes no messages of quality of service 1")
	case retain && p.RetainAvailable != nil && *p.RetainAvailable == 0:
		return errors.New("the broker retains no messages")
	}
	l.keepAlive, l.inFlight = keepAlive, windowFrames
	if p.ServerKeepAlive != nil {
		l.keepAlive = time.Duration(*p.ServerKeepAlive) * time.Second
	}
	if p.ReceiveMaximum != nil && *p.ReceiveMaximum > 0 {
		l.inFlight = min(l.inFlight, int(*p.ReceiveMaximum))
	}
	if p.MaximumPacketSize != nil {
		l.maxPacket = int64(*p.MaximumPacketSize)
	}
	return nil
}

// write sends one packet.
func (l *link) write(p packets.Packet) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if _, err := p.WriteTo(l.out); err != nil {
		return err
	}
	return l.out.Flush()
}

// read waits for the next packet. The library makes room for as much as a packet claims to hold, so that is looked at first.
func (l *link) read() (*packets.ControlPacket, error) {
	return readPacket(l.in)
}

func readPacket(in *bufio.Reader) (*packets.ControlPacket, error) {
	for n := 2; ; n++ {
		head, err := in.Peek(n)
		if err != nil {
			if errors.Is(err, io.EOF) && len(head) > 0 {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, err
		}
		switch length, read := binary.Uvarint(head[1:]); {
		case read <= 0 && n < 5:
			continue
		case read <= 0 || length > maxAnswer:
			return nil, fmt.Errorf("the broker sends a packet of more than %d bytes", maxAnswer)
		}
		return packets.ReadPacket(in)
	}
}
