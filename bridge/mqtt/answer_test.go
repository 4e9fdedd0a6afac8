package mqtt_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/mqtt"
	"github.com/edge-video/edge-video/test/sinktest"
)

// What follows is answers that a Mosquitto does not give, or not when it is told to.

// answers is a broker that says what it is told to: hello to each login, then to each message what reply
// makes of it. more says that the next one is there already.
type answers struct {
	hello io.WriterTo
	reply func(p *packets.Publish, more bool) []io.WriterTo
}

// listen takes connections until the test ends, and returns the broker's URL.
func (a answers) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			a.serve(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return "mqtt://" + l.Addr().String()
}

func (a answers) serve(conn net.Conn) {
	in := bufio.NewReader(conn)
	for {
		p, err := packets.ReadPacket(in)
		if err != nil {
			return
		}
		var out []io.WriterTo
		switch p := p.Content.(type) {
		case *packets.Connect:
			out = []io.WriterTo{a.hello}
		case *packets.Publish:
			out = a.reply(p, in.Buffered() > 0)
		}
		for _, p := range out {
			if _, err := p.WriteTo(conn); err != nil {
				return
			}
		}
	}
}

func welcome() *packets.Connack { return &packets.Connack{Properties: &packets.Properties{}} }

func puback(id uint16, code byte) io.WriterTo {
	return &packets.Puback{PacketID: id, ReasonCode: code, Properties: &packets.Properties{}}
}

func disconnect(code byte) io.WriterTo {
	return &packets.Disconnect{ReasonCode: code, Properties: &packets.Properties{ReasonString: "since it is told so"}}
}

func TestConnect_RefusalHasItsClass(t *testing.T) {
	none := byte(0)
	for name, c := range map[string]struct {
		hello io.WriterTo
		fault bridge.Fault
		says  string
	}{
		"password":       {&packets.Connack{ReasonCode: packets.ConnackBadUsernameOrPassword}, bridge.FaultCredentials, "Bad User Name or Password"},
		"not authorized": {&packets.Connack{ReasonCode: packets.ConnackNotAuthorized}, bridge.FaultCredentials, "Not authorized"},
		"banned":         {&packets.Connack{ReasonCode: packets.ConnackBanned}, bridge.FaultPermission, "Banned"},
		"busy":           {&packets.Connack{ReasonCode: packets.ConnackServerBusy}, bridge.FaultBlocked, "Server busy"},
		"quota":          {&packets.Connack{ReasonCode: packets.ConnackQuotaExceeded}, bridge.FaultFull, "Quota exceeded"},
		"old":            {&packets.Connack{ReasonCode: packets.ConnackUnsupportedProtocolVersion}, bridge.FaultOther, "does not speak MQTT 5"},
		"unknown":        {&packets.Connack{ReasonCode: 0xff}, bridge.FaultOther, "0xff"},
		"older still":    {raw("\x20\x02\x00\x01"), bridge.FaultOther, "does not speak MQTT 5"},
		"no QoS 1":       {&packets.Connack{Properties: &packets.Properties{MaximumQOS: &none}}, bridge.FaultOther, "quality of service 1"},
		"no retaining":   {&packets.Connack{Properties: &packets.Properties{RetainAvailable: &none}}, bridge.FaultOther, "retains no messages"},
		"no login":       {puback(1, 0), bridge.FaultOther, "PUBACK"},
		"endless":        {raw("\x20\xff\xff\xff\xff\xff\xff"), bridge.FaultOther, "more than"},
		"torn":           {raw("\x20\x14\x00\x00"), bridge.FaultTimeout, ""},
		"another":        {raw("HTTP/1.1 400 Bad Request\r\n\r\n" + strings.Repeat(" ", 100)), bridge.FaultOther, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c, ok := c.hello.(*packets.Connack); ok && c.Properties == nil {
				c.Properties = &packets.Properties{}
			}
			s := connectable(t, answers{hello: c.hello}, 2*time.Second)
			s.Retain = true
			err := newSink(t, nil, s).Connect(t.Context())
			if err == nil || bridge.FaultOf(err) != c.fault || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %s: %v, want %s", bridge.FaultOf(err), err, c.fault)
			}
		})
	}
}

func TestSink_AnswerHasItsClass(t *testing.T) {
	for name, c := range map[string]struct {
		answer io.WriterTo // to the second of three frames
		want   error
		fault  bridge.Fault
	}{
		"topic":      {puback(2, packets.PubackTopicNameInvalid), bridge.ErrRejected, ""},
		"too large":  {puback(2, packets.DisconnectPacketTooLarge), bridge.ErrRejected, ""},
		"format":     {puback(2, packets.PubackPayloadFormatInvalid), bridge.ErrRejected, ""},
		"quota":      {puback(2, packets.PubackQuotaExceeded), bridge.ErrNotConnected, bridge.FaultFull},
		"rights":     {puback(2, packets.PubackNotAuthorized), bridge.ErrNotConnected, bridge.FaultPermission},
		"other":      {puback(2, packets.PubackUnspecifiedError), bridge.ErrNotConnected, bridge.FaultOther},
		"not sent":   {puback(700, 0), bridge.ErrNotConnected, bridge.FaultOther},
		"taken over": {disconnect(packets.DisconnectSessionTakenOver), bridge.ErrNotConnected, bridge.FaultConflict},
		"shutdown":   {disconnect(packets.DisconnectServerShuttingDown), bridge.ErrNotConnected, bridge.FaultLost},
		"rate":       {disconnect(packets.DisconnectMessageRateTooHigh), bridge.ErrNotConnected, bridge.FaultBlocked},
		"nonsense":   {&packets.Pingreq{}, bridge.ErrNotConnected, bridge.FaultOther},
		"garbage":    {raw(strings.Repeat("garbage ", 20)), bridge.ErrNotConnected, bridge.FaultOther},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSink(t, nil, connectable(t, answers{hello: welcome(), reply: func(p *packets.Publish, _ bool) []io.WriterTo {
				if p.PacketID == 2 {
					return []io.WriterTo{c.answer}
				}
				return []io.WriterTo{puback(p.PacketID, 0)}
			}}, 10*time.Second))
			sinktest.Connect(t, s)
			errs := sinktest.Send(t, s, sinktest.Frame("a", 1, 10), sinktest.Frame("a", 2, 10), sinktest.Frame("a", 3, 10))
			last := errors.Is(errs[2], bridge.ErrNotConnected)
			if errs[0] != nil || !errors.Is(errs[1], c.want) || last == errors.Is(c.want, bridge.ErrRejected) {
				t.Errorf("got %v", errs)
			}
			if c.fault != "" && bridge.FaultOf(errs[1]) != c.fault {
				t.Errorf("got %s: %v, want %s", bridge.FaultOf(errs[1]), errs[1], c.fault)
			}
		})
	}
}

// TestSink_AnswersOutOfOrderAreKeptForTheirTurn has every 64 messages acknowledged the other way round, with at most as many on their
// way.
func TestSink_AnswersOutOfOrderAreKeptForTheirTurn(t *testing.T) {
	const count, group = 20 * 64, 64
	most := uint16(group)
	var held []io.WriterTo
	s := newSink(t, nil, connectable(t, answers{hello: &packets.Connack{Properties: &packets.Properties{ReceiveMaximum: &most}},
		reply: func(p *packets.Publish, more bool) []io.WriterTo {
			if held = append(held, puback(p.PacketID, 0)); len(held) < group {
				return nil
			}
			if more {
				t.Errorf("there are more than %d messages on their way", group)
			}
			slices.Reverse(held)
			out := held
			held = nil
			return out
		}}, 10*time.Second))
	sinktest.Connect(t, s)
	answered := 0
	ended := make(chan struct{})
	f := sinktest.Frame("a", 1, 10)
	for i := range count {
		s.Send(t.Context(), f, func(err error) {
			if err != nil || answered != i {
				t.Errorf("frame %d ended as number %d with %v", i, answered, err)
			}
			if answered++; answered == count {
				close(ended)
			}
		})
	}
	<-ended
}

// TestSink_LearnsWhatTheBrokerFindsTooLarge has a broker that ends the connection over a large packet without having said so before.
func TestSink_LearnsWhatTheBrokerFindsTooLarge(t *testing.T) {
	s := newSink(t, nil, connectable(t, answers{hello: welcome(), reply: func(p *packets.Publish, _ bool) []io.WriterTo {
		if len(p.Payload) > 5000 {
			return []io.WriterTo{disconnect(packets.DisconnectPacketTooLarge)}
		}
		return []io.WriterTo{puback(p.PacketID, 0)}
	}}, 10*time.Second))
	sinktest.Connect(t, s)
	small, large, larger := sinktest.Frame("a", 1, 4000), sinktest.Frame("a", 2, 6000), sinktest.Frame("a", 3, 7000)
	errs := sinktest.Send(t, s, small, large, larger, small)
	if errs[0] != nil || !errors.Is(errs[1], bridge.ErrNotConnected) {
		t.Errorf("got %v", errs)
	}
	sinktest.Connect(t, s)
	errs = sinktest.Send(t, s, small, larger, small, large, small)
	if !errors.Is(errs[1], bridge.ErrRejected) || errs[2] != nil || !errors.Is(errs[3], bridge.ErrNotConnected) {
		t.Errorf("got %v the second time", errs)
	}
	sinktest.Connect(t, s)
	errs = sinktest.Send(t, s, small, large, larger, small)
	if errs[0] != nil || !errors.Is(errs[1], bridge.ErrRejected) || !errors.Is(errs[2], bridge.ErrRejected) || errs[3] != nil {
		t.Errorf("got %v", errs)
	}
}

// raw is bytes in a packet's place.
type raw string

func (r raw) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, string(r))
	return int64(n), err
}

func connectable(t *testing.T, a answers, timeout time.Duration) mqtt.Config {
	t.Helper()
	return mqtt.Config{URL: a.listen(t), Topic: template(t, "{camera}"), Timeout: timeout}
}
