package mqtt_test

import (
	"log/slog"
	"net"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/eclipse/paho.golang/paho"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/mqtt"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// maxMessage is the largest body that the suite's broker takes, in bytes.
const maxMessage = 8 << 20

// broker is a Mosquitto behind a proxy, with a subscriber whose session outlives it.
type broker struct {
	*harness.Mosquitto
	*harness.Proxy
	t *testing.T
	*reader
}

func newBroker(t *testing.T, m *harness.Mosquitto) *broker {
	b := &broker{Mosquitto: m, Proxy: harness.StartProxy(t, m.Addr()), t: t}
	b.reader = subscribe(t, m, "suite/#", nil)
	return b
}

func (b *broker) NewSink(t testing.TB) bridge.Sink {
	return newSink(t, prometheus.NewRegistry(), mqtt.Config{
		URL: b.URLAt(b.Proxy.Addr()), Topic: template(t, "suite/{camera}"), ClientID: "suite", Timeout: sinktest.Timeout,
	})
}

func (b *broker) Received(testing.TB) []string { return b.ids() }

func (b *broker) Unacceptable(testing.TB) *schema.Frame {
	return sinktest.Frame("large", 1, maxMessage+1)
}

// Kill is an orderly end, because only then does Mosquitto keep what it has confirmed.
func (b *broker) Kill() {
	b.Mosquitto.Stop()
	b.reader.end()
}

func (b *broker) Start() {
	b.Mosquitto.Start()
	b.reader.connect(b.t)
}

// reader is a subscriber that keeps its session.
type reader struct {
	broker *harness.Mosquitto
	filter string
	each   func(*paho.Publish)
	client *paho.Client

	mu       sync.Mutex
	received []string
}

// subscribe begins to read. each is called for every message, one at a time.
func subscribe(t *testing.T, m *harness.Mosquitto, filter string, each func(*paho.Publish)) *reader {
	t.Helper()
	r := &reader{broker: m, filter: filter, each: each}
	r.connect(t)
	t.Cleanup(r.end)
	return r
}

func (r *reader) connect(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp", r.broker.Addr())
	if err != nil {
		t.Fatal(err)
	}
	r.client = paho.NewClient(paho.ClientConfig{Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){r.take}})
	kept := uint32(3600)
	hello := &paho.Connect{ClientID: "reader of " + r.filter, KeepAlive: 60, Properties: &paho.ConnectProperties{SessionExpiryInterval: &kept}}
	u, err := url.Parse(r.broker.URL())
	if err != nil {
		t.Fatal(err)
	}
	if password, ok := u.User.Password(); ok {
		hello.UsernameFlag, hello.Username = true, u.User.Username()
		hello.PasswordFlag, hello.Password = true, []byte(password)
	}
	if _, err := r.client.Connect(t.Context(), hello); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: r.filter, QoS: 1}}}); err != nil {
		t.Fatal(err)
	}
}

// end closes the connection. The broker may be gone.
func (r *reader) end() {
	_ = r.client.Disconnect(&paho.Disconnect{})
}

func (r *reader) take(m paho.PublishReceived) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received = append(r.received, m.Packet.Properties.User.Get(schema.HeaderMsgID))
	if r.each != nil {
		r.each(m.Packet)
	}
	return true, nil
}

func (r *reader) ids() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.received...)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func template(t testing.TB, text string) *bridge.Template {
	t.Helper()
	p, err := bridge.ParseTemplate(text, map[string]string{"prefix": "cameras/"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newSink(t testing.TB, reg prometheus.Registerer, c mqtt.Config) *mqtt.Sink {
	t.Helper()
	if c.ClientID == "" {
		c.ClientID = t.Name()
	}
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	s, err := mqtt.New(c, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func connected(t testing.TB, c mqtt.Config) *mqtt.Sink {
	t.Helper()
	s := newSink(t, prometheus.NewRegistry(), c)
	sinktest.Connect(t, s)
	return s
}
