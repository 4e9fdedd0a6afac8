package rabbitmq_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/rabbitmq"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

// tenantChannel is a channel of guest's in a virtual host.
func tenantChannel(t *testing.T, r *harness.RabbitMQ, vhost string) *amqp.Channel {
	t.Helper()
	c, err := amqp.DialConfig(r.URL(), amqp.Config{Vhost: vhost})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func camerasHaveTheirOwnRoutes(t *testing.T, r *harness.RabbitMQ) {
	key, err := bridge.ParseTemplate("{prefix}{camera}", map[string]string{"prefix": "cam."})
	if err != nil {
		t.Fatal(err)
	}
	s := newSink(t, prometheus.NewRegistry(), rabbitmq.Config{
		URL: r.URL(), VHost: "tenant/7", Exchange: "all", RoutingKey: key, ContentType: "application/octet-stream", Expiration: 90 * time.Second,
		Own: map[string]rabbitmq.Route{
			"lisbon.gate": {Exchange: "gate-only", RoutingKey: template(t, "pictures")},
			"porto.dock":  {Exchange: "elsewhere", RoutingKey: template(t, "{site}")},
		},
	})
	ch := tenantChannel(t, r, "tenant/7")
	for _, exchange := range []string{"all", "gate-only", "elsewhere"} {
		bind(t, ch, exchange, exchange+"-queue", nil)
	}
	sinktest.Connect(t, s)
	gate, dock, porto := sinktest.Frame("gate", 1, 10), sinktest.Frame("dock", 1, 10), sinktest.Frame("dock", 2, 10)
	porto.Site = "porto"
	for _, err := range sinktest.Send(t, s, gate, dock, porto) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for queue, want := range map[string][]any{
		"all-queue":       {"cam.dock", "dock", dock.ID()},
		"gate-only-queue": {"pictures", "gate", gate.ID()},
		"elsewhere-queue": {"porto", "dock", porto.ID()},
	} {
		d, ok, err := ch.Get(queue, true)
		if err != nil || !ok {
			t.Fatalf("nothing in %s: %v", queue, err)
		}
		if diff := cmp.Diff(want, []any{d.RoutingKey, d.Headers["camera_id"], d.MessageId}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", queue, diff)
		}
		if d.ContentType != "application/octet-stream" || d.Expiration != "90000" || d.MessageCount != 0 {
			t.Errorf("%s: content type %q, expiration %q, %d more", queue, d.ContentType, d.Expiration, d.MessageCount)
		}
	}
}

func declaresNothingWithoutTheRight(t *testing.T, r *harness.RabbitMQ) {
	c := rabbitmq.Config{URL: r.UserURL("writer", "/"), Exchange: "open", RoutingKey: template(t, "k"), Passive: true}
	ch := channel(t, r)
	_ = ch.ExchangeDelete("open", false, false)
	s := newSink(t, prometheus.NewRegistry(), c)
	checkFault(t, s.Connect(t.Context()), bridge.FaultMissing, `looking for topic exchange "open"`)
	bind(t, ch, "open", "open-queue", nil)
	sinktest.Connect(t, s)
	if err := sinktest.Send(t, s, sinktest.Frame("a", 1, 10))[0]; err != nil {
		t.Errorf("got %v on an exchange that is there", err)
	}
	c.Passive = false
	checkFault(t, newSink(t, prometheus.NewRegistry(), c).Connect(t.Context()), bridge.FaultPermission, `declaring topic exchange "open"`)
}
