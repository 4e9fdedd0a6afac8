package mqtt

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/eclipse/paho.golang/packets"
)

func TestIdentifiers_BeginAgain(t *testing.T) {
	id, first := uint16(0), uint16(65_500)
	for n := range 70_000 {
		if id = next(id); id == 0 || int(id) != n%65_535+1 {
			t.Fatalf("message %d has identifier %d", n, id)
		}
	}
	for n, id := 0, first; n < 200; n, id = n+1, next(id) {
		if got := ahead(id, first); got != n {
			t.Errorf("identifier %d is %d after %d, want %d", id, got, first, n)
		}
	}
}

func TestSize_IsThatOnTheWire(t *testing.T) {
	for _, n := range []int{0, 100, 127, 128, 16_380, 70_000, 3 << 20} {
		m := &packets.Publish{QoS: qos, Topic: "a/b", Payload: make([]byte, n), Properties: &packets.Properties{ContentType: "x", User: []packets.User{{Key: "k", Value: "v"}}}}
		var b bytes.Buffer
		if _, err := m.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		if got := size(m); got != int64(b.Len()) {
			t.Errorf("body of %d bytes: got %d, want %d", n, got, b.Len())
		}
	}
}

// FuzzReadPacket has the broker send anything: what is read is bounded, and ends in a packet or an error.
func FuzzReadPacket(f *testing.F) {
	for _, s := range []string{"\x20\x03\x00\x00\x00", "\x40\x02\x00\x01", "\x40\x04\x00\x01\x97\x00", "\xe0\x01\x8b", "\xd0\x00", "\xe0\x00",
		"\x20\xff\xff\xff\x7f", "\x30\x05\x00\x01a\x00b", "\x20\x0b\x00\x00\x08\x21\x00\x14\x27\x00\x00\x4e\x20", "HTTP/1.1 400"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := bufio.NewReader(bytes.NewReader(data))
		for {
			p, err := readPacket(in)
			if err != nil {
				return
			}
			switch p := p.Content.(type) {
			case *packets.Connack:
				_ = refused(p)
				_ = new(link).adopt(p.Properties, true)
			case *packets.Puback:
				_ = answered(ack{id: p.PacketID, code: p.ReasonCode, text: p.Properties.ReasonString})
			case *packets.Disconnect:
				_ = disconnected(p)
			}
		}
	})
}
