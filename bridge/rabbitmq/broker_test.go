package rabbitmq_test

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/rabbitmq"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	suiteExchange = "suite"
	suiteQueue    = "suite-queue"
	maxMessage    = 8 << 20 // bytes
)

// broker is a RabbitMQ behind a proxy, with a queue for everything the suite sends.
type broker struct {
	*harness.RabbitMQ
	*harness.Proxy
	received []string
}

func newBroker(t *testing.T, r *harness.RabbitMQ) *broker {
	t.Helper()
	ch := channel(t, r)
	bind(t, ch, suiteExchange, suiteQueue, nil)
	return &broker{RabbitMQ: r, Proxy: harness.StartProxy(t, r.Addr())}
}

func (b *broker) NewSink(t testing.TB) bridge.Sink {
	return newSink(t, prometheus.NewRegistry(), rabbitmq.Config{
		URL: b.URLAt(b.Proxy.Addr()), Exchange: suiteExchange, RoutingKey: template(t, "camera.{camera}"), Persistent: true,
		Timeout: sinktest.Timeout,
	})
}

func (b *broker) Received(t testing.TB) []string {
	t.Helper()
	c, err := amqp.Dial(b.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	for {
		d, ok, err := ch.Get(suiteQueue, true)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return b.received
		}
		b.received = append(b.received, d.MessageId)
	}
}

func (b *broker) Unacceptable(testing.TB) *schema.Frame {
	return sinktest.Frame("large", 1, maxMessage+1)
}

func channel(t testing.TB, r *harness.RabbitMQ) *amqp.Channel {
	t.Helper()
	ch, err := r.Dial().Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// bind declares a topic exchange and a durable queue for all that is published to it.
func bind(t testing.TB, ch *amqp.Channel, exchange, queue string, args amqp.Table) {
	t.Helper()
	if err := ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare(queue, true, false, false, false, args); err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind(queue, "#", exchange, false, nil); err != nil {
		t.Fatal(err)
	}
}

func template(t testing.TB, text string) *bridge.Template {
	t.Helper()
	p, err := bridge.ParseTemplate(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newSink(t testing.TB, reg prometheus.Registerer, c rabbitmq.Config) *rabbitmq.Sink {
	t.Helper()
	s, err := rabbitmq.New(c, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
