package rabbitmq_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/rabbitmq"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

// faultsHaveTheirNames goes through what an operator meets, against the broker itself.
func faultsHaveTheirNames(t *testing.T, r *harness.RabbitMQ) {
	ch := channel(t, r)
	_ = ch.ExchangeDelete("open", false, false)
	for exchange, kind := range map[string]string{"open": amqp.ExchangeTopic, "closed": amqp.ExchangeTopic, "fan": amqp.ExchangeFanout} {
		if err := ch.ExchangeDeclare(exchange, kind, true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, url, exchange string
		want                bridge.Fault
		text                string
	}{
		{"wrong password", "amqp://guest:hunter2@" + r.Addr(), "open", bridge.FaultCredentials, "ACCESS_REFUSED"},
		{"unknown user", r.UserURL("nobody", "/"), "open", bridge.FaultCredentials, "ACCESS_REFUSED"},
		{"no such virtual host", r.UserURL("writer", "tenant/8"), "open", bridge.FaultMissing, "vhost tenant/8 not found"},
		{"virtual host of others", r.UserURL("stranger", "/"), "open", bridge.FaultPermission, "access to vhost '/' refused"},
		{"may not declare", r.UserURL("writer", "/"), "new", bridge.FaultPermission, "exchange 'new'"},
		{"exchange of another type", r.URL(), "fan", bridge.FaultConflict, "inequivalent arg 'type'"},
		{"nobody listens", fmt.Sprintf("amqp://guest:hunter2@127.0.0.1:%d", harness.FreePort(t)), "open", bridge.FaultRefused, "refused"},
		{"no such host", "amqp://guest:hunter2@broker.invalid", "open", bridge.FaultUnknownHost, "broker.invalid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSink(t, prometheus.NewRegistry(), rabbitmq.Config{URL: c.url, Exchange: c.exchange, RoutingKey: template(t, "k"), Timeout: 5 * time.Second})
			checkFault(t, s.Connect(t.Context()), c.want, c.text)
		})
	}
}

// checkFault holds that a fault has its class and says what the broker said, without the password.
func checkFault(t *testing.T, err error, want bridge.Fault, text string) {
	t.Helper()
	if bridge.FaultOf(err) != want || !strings.Contains(fmt.Sprint(err), text) || strings.Contains(fmt.Sprint(err), "hunter2") {
		t.Errorf("got %v, want %s with %q and no password", err, want, text)
	}
}

func hungBrokerIsATimeout(t *testing.T, r *harness.RabbitMQ) {
	p := harness.StartProxy(t, r.Addr())
	s := newSink(t, prometheus.NewRegistry(), rabbitmq.Config{URL: r.URLAt(p.Addr()), Exchange: "hung", RoutingKey: template(t, "k"), Timeout: 300 * time.Millisecond})
	p.Hang()
	checkFault(t, s.Connect(t.Context()), bridge.FaultTimeout, "deadline")
	p.Restore()
	harness.WaitFor(t, 30*time.Second, "a connection within 300ms", func() bool { return s.Connect(t.Context()) == nil })
	t.Cleanup(func() { _ = s.Close() })
	p.Hang()
	checkFault(t, sinktest.Send(t, s, sinktest.Frame("a", 1, 1000))[0], bridge.FaultTimeout, "no confirm for 300ms")
}

func permissionTakenAway(t *testing.T, r *harness.RabbitMQ) {
	s := newSink(t, prometheus.NewRegistry(), rabbitmq.Config{URL: r.UserURL("tenant", "tenant/7"), Exchange: "theirs", RoutingKey: template(t, "k")})
	sinktest.Connect(t, s)
	if err := sinktest.Send(t, s, sinktest.Frame("a", 1, 10))[0]; err != nil {
		t.Fatal(err)
	}
	r.Ctl("set_permissions", "-p", "tenant/7", "tenant", "^theirs$", "", "")
	sinktest.Connect(t, s) // a channel that has been allowed once stays so
	checkFault(t, sinktest.Send(t, s, sinktest.Frame("a", 2, 10))[0], bridge.FaultPermission, "access to exchange 'theirs'")
	r.Ctl("set_permissions", "-p", "tenant/7", "tenant", "^theirs$", "^theirs$", "")
	sinktest.Connect(t, s)
	if err := sinktest.Send(t, s, sinktest.Frame("a", 2, 10))[0]; err != nil {
		t.Errorf("got %v with the permission back", err)
	}
}

func certificatesAreAskedFor(t *testing.T, r *harness.RabbitMQ, c *harness.Certificates) {
	secure := func(t testing.TB, addr string, proofs bridge.TLS) bridge.Sink {
		return newSink(t, prometheus.NewRegistry(), rabbitmq.Config{URL: "amqps://guest:guest@" + addr, Exchange: "secure", RoutingKey: template(t, "k"), TLS: proofs})
	}
	sinktest.RunTLS(t, r.TLSAddr(), c, secure)
	checkFault(t, secure(t, r.Addr(), bridge.TLS{}).Connect(t.Context()), bridge.FaultTLS, "TLS")
}
