package rabbitmq_test

import (
	"errors"
	"log/slog"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/rabbitmq"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

// TestCheck_FindsWhatIsForbiddenAndDeliversNothing also holds a broker to what the question rests upon: that it looks at size, exchange
// and rights first.
func TestCheck_FindsWhatIsForbiddenAndDeliversNothing(t *testing.T) {
	r := harness.StartRabbitMQ(t, harness.RabbitMQOptions{Config: []string{"max_message_size = 1048576"},
		Users: []harness.RabbitMQUser{{Name: "writer", VHost: "v", Write: "^cameras$"}, {Name: "reader", VHost: "v", Read: ".*"},
			{Name: "admin", VHost: "v", Configure: ".*", Write: ".*", Read: ".*"}}})
	conn, err := amqp.Dial(r.UserURL("admin", "v"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.ExchangeDeclare("cameras", amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	q, err := ch.QueueDeclare("all", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind(q.Name, "#", "cameras", false, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, url, exchange string
		bytes               int
		fault               bridge.Fault // "" is none
		rejected            bool
	}{
		{name: "may write", url: r.UserURL("writer", "v"), exchange: "cameras", bytes: 1 << 19},
		{name: "may only read", url: r.UserURL("reader", "v"), exchange: "cameras", bytes: 10, fault: bridge.FaultPermission},
		{name: "no exchange", url: r.UserURL("admin", "v"), exchange: "none", bytes: 10, fault: bridge.FaultMissing},
		{name: "too large", url: r.UserURL("writer", "v"), exchange: "cameras", bytes: 2 << 20, rejected: true},
		{name: "wrong password", url: "amqp://writer:wrong@" + r.Addr() + "/v", exchange: "cameras", bytes: 10, fault: bridge.FaultCredentials},
	} {
		s, err := rabbitmq.New(rabbitmq.Config{URL: c.url, Exchange: c.exchange, RoutingKey: template(t, "camera.{camera}")},
			slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		err = s.Check(t.Context(), sinktest.Frame("dock-1", 1, c.bytes))
		switch {
		case c.rejected != errors.Is(err, bridge.ErrRejected), c.fault == "" && !c.rejected && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.fault != "" && bridge.FaultOf(err) != c.fault:
			t.Errorf("%s: %v, want fault %s", c.name, err, c.fault)
		}
	}
	if err := ch.Publish("cameras", "marker", false, false, amqp.Publishing{Body: []byte("marker")}); err != nil {
		t.Fatal(err)
	}
	got, err := ch.Consume(q.Name, "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m := <-got; string(m.Body) != "marker" {
		t.Errorf("the queue holds a message of %d bytes with key %s", len(m.Body), m.RoutingKey)
	}
}
