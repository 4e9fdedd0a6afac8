package rabbitmq_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/rabbitmq"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

// TestSink shares one broker between its parts, because starting one takes seconds.
func TestSink(t *testing.T) {
	certificates := harness.MakeCertificates(t)
	r := harness.StartRabbitMQ(t, harness.RabbitMQOptions{
		Config: []string{fmt.Sprint("max_message_size = ", maxMessage)}, TLS: certificates,
		Users: []harness.RabbitMQUser{
			{Name: "stranger"},
			{Name: "writer", VHost: "/", Write: "^open$"},
			{Name: "tenant", VHost: "tenant/7", Configure: "^theirs$", Write: "^theirs$"},
		},
	})
	for name, test := range map[string]func(*testing.T, *harness.RabbitMQ){
		"MessageIsTheFrame":              messageIsTheFrame,
		"UnroutableIsCounted":            unroutableIsCounted,
		"NackIsNotConnected":             nackIsNotConnected,
		"TooLargeIsRejected":             tooLargeIsRejected,
		"LongRoutingKeyIsRejected":       longRoutingKeyIsRejected,
		"BlockedBrokerIsNotConnected":    blockedBroker,
		"ForeignExchangeFailsConnect":    foreignExchange,
		"ConnectionHasItsName":           connectionName,
		"ExchangeDeletedIsNotConnected":  exchangeDeleted,
		"CamerasHaveTheirOwnRoutes":      camerasHaveTheirOwnRoutes,
		"DeclaresNothingWithoutTheRight": declaresNothingWithoutTheRight,
		"FaultsHaveTheirNames":           faultsHaveTheirNames,
		"HungBrokerIsATimeout":           hungBrokerIsATimeout,
		"PermissionTakenAwayIsNamed":     permissionTakenAway,
		"CutsBeforeTheConfirm":           cutsBeforeTheConfirm,
		"KeyIsTheBody":                   keyIsTheBody,
		"MetadataIsJSON":                 metadataIsJSON,
		"StatusIsJSON":                   statusIsJSON,
		"WhatIsNoneOfTheKindIsRejected":  whatIsNoneOfTheKindIsRejected,
		"CertificatesAreAskedFor": func(t *testing.T, r *harness.RabbitMQ) {
			certificatesAreAskedFor(t, r, certificates)
		},
	} {
		t.Run(name, func(t *testing.T) { test(t, r) })
	}
	sinktest.Run(t, newBroker(t, r))
}

func messageIsTheFrame(t *testing.T, r *harness.RabbitMQ) {
	ch := channel(t, r)
	bind(t, ch, "plain", "plain-queue", nil)
	for _, persistent := range []bool{false, true} {
		s := newSink(t, prometheus.NewRegistry(), rabbitmq.Config{
			URL: r.URL(), Exchange: "plain", RoutingKey: template(t, "{site}.camera.{camera}"), Persistent: persistent,
		})
		sinktest.Connect(t, s)
		video := sinktest.Frame("dock-2", 8, 300_000)
		video.ContentType, video.Keyframe, video.Replayed = schema.ContentH264, true, true
		for _, f := range []*schema.Frame{sinktest.Frame("dock-1", 7, 100_000), video} {
			if err := sinktest.Send(t, s, f)[0]; err != nil {
				t.Fatal(err)
			}
			d, ok, err := ch.Get("plain-queue", true)
			if err != nil || !ok {
				t.Fatalf("nothing in the queue: %v", err)
			}
			checkMessage(t, &d, f, persistent)
		}
	}
}

func checkMessage(t *testing.T, d *amqp.Delivery, f *schema.Frame, persistent bool) {
	t.Helper()
	headers := amqp.Table{"camera_id": f.Camera}
	for name, values := range f.Header() {
		headers[name] = values[0]
	}
	delete(headers, schema.HeaderMsgID)
	delete(headers, schema.HeaderContentType)
	mode := map[bool]uint8{false: amqp.Transient, true: amqp.Persistent}[persistent]
	got := []any{d.RoutingKey, d.MessageId, d.ContentType, d.DeliveryMode, d.Timestamp.Unix(), d.Headers}
	want := []any{f.Site + ".camera." + f.Camera, f.ID(), f.ContentType, mode, f.Captured.Unix(), headers}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	if !bytes.Equal(d.Body, f.Data) {
		t.Errorf("got another body, of %d bytes", len(d.Body))
	}
}

func unroutableIsCounted(t *testing.T, r *harness.RabbitMQ) {
	var log bytes.Buffer
	reg := prometheus.NewRegistry()
	c := rabbitmq.Config{URL: r.URL(), Exchange: "nobody", RoutingKey: template(t, "{camera}")}
	s, err := rabbitmq.New(c, slog.New(slog.NewTextHandler(&log, nil)), reg)
	if err != nil {
		t.Fatal(err)
	}
	sinktest.Connect(t, s)
	for _, err := range sinktest.Send(t, s, sinktest.Frame("a", 1, 5000), sinktest.Frame("a", 2, 5000), sinktest.Frame("a", 3, 5000)) {
		if err != nil {
			t.Errorf("an unroutable frame ended with %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "edge_video_bridge_unroutable_total" {
		t.Fatalf("got metrics %v, %v", families, err)
	}
	if got := families[0].GetMetric()[0].GetCounter().GetValue(); got != 3 {
		t.Errorf("%v frames counted, want 3", got)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "exchange=nobody") {
		t.Errorf("got log %q", log.String())
	}
	newSink(t, reg, c) // a second one shares the counter
}

func nackIsNotConnected(t *testing.T, r *harness.RabbitMQ) {
	bind(t, channel(t, r), "small", "small-queue", amqp.Table{"x-max-length": 1, "x-overflow": "reject-publish"})
	s := newSink(t, prometheus.NewRegistry(), rabbitmq.Config{URL: r.URL(), Exchange: "small", RoutingKey: template(t, "{camera}")})
	sinktest.Connect(t, s)
	var all []*schema.Frame
	for seq := range uint64(20) {
		all = append(all, sinktest.Frame("a", seq+1, 1000))
	}
	errs := sinktest.Send(t, s, all...)
	last := errs[len(errs)-1]
	if errs[0] != nil {
		t.Errorf("got %v first", errs[0])
	}
	checkFault(t, last, bridge.FaultFull, "nack")
}

func tooLargeIsRejected(t *testing.T, r *harness.RabbitMQ) {
	bind(t, channel(t, r), "large", "large-queue", nil)
	s := newSink(t, prometheus.NewRegistry(), rabbitmq.Config{URL: r.URL(), Exchange: "large", RoutingKey: template(t, "{camera}")})
	sinktest.Connect(t, s)
	frames := []*schema.Frame{sinktest.Frame("a", 1, maxMessage), sinktest.Frame("a", 2, maxMessage+1), sinktest.Frame("a", 3, 10)}
	first := sinktest.Send(t, s, frames...)
	var told *amqp.Error
	if err := first[1]; !errors.Is(err, bridge.ErrNotConnected) || !errors.As(err, &told) || told.Code != amqp.PreconditionFailed {
		t.Fatalf("got %v for the frame that ended the connection", err)
	}
	sinktest.Connect(t, s)
	if errs := sinktest.Send(t, s, frames...); errs[0] != nil || !errors.Is(errs[1], bridge.ErrRejected) || errs[2] != nil {
		t.Errorf("got %v on the next connection", errs)
	}
}

func longRoutingKeyIsRejected(t *testing.T, r *harness.RabbitMQ) {
	s := newSink(t, prometheus.NewRegistry(), rabbitmq.Config{
		URL: r.URL(), Exchange: "long", RoutingKey: template(t, strings.Repeat("k", 250)+"{camera}"),
	})
	sinktest.Connect(t, s)
	errs := sinktest.Send(t, s, sinktest.Frame("short", 1, 10), sinktest.Frame("longer", 1, 10), sinktest.Frame("short", 2, 10))
	if errs[0] != nil || !errors.Is(errs[1], bridge.ErrRejected) || errs[2] != nil {
		t.Errorf("got %v", errs)
	}
}

func blockedBroker(t *testing.T, r *harness.RabbitMQ) {
	bind(t, channel(t, r), "blocked", "blocked-queue", nil)
	s := newSink(t, prometheus.NewRegistry(), rabbitmq.Config{URL: r.URL(), Exchange: "blocked", RoutingKey: template(t, "{camera}")})
	sinktest.Connect(t, s)
	if err := sinktest.Send(t, s, sinktest.Frame("a", 1, 1000))[0]; err != nil {
		t.Fatal(err)
	}
	r.Ctl("set_vm_memory_high_watermark", "0.0001")
	t.Cleanup(func() { r.Ctl("set_vm_memory_high_watermark", "0.4") })
	for _, err := range sinktest.Send(t, s, sinktest.Frame("a", 2, 1000), sinktest.Frame("a", 3, 1000)) {
		checkFault(t, err, bridge.FaultBlocked, "low on memory")
	}
	r.Ctl("set_vm_memory_high_watermark", "0.4")
	sinktest.Connect(t, s)
	if err := sinktest.Send(t, s, sinktest.Frame("a", 2, 1000))[0]; err != nil {
		t.Errorf("got %v after the broker was unblocked", err)
	}
}

func foreignExchange(t *testing.T, r *harness.RabbitMQ) {
	if err := channel(t, r).ExchangeDeclare("foreign", amqp.ExchangeFanout, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	s := newSink(t, prometheus.NewRegistry(), rabbitmq.Config{URL: r.URL(), Exchange: "foreign", RoutingKey: template(t, "k")})
	checkFault(t, s.Connect(t.Context()), bridge.FaultConflict, `"foreign"`)
}

func exchangeDeleted(t *testing.T, r *harness.RabbitMQ) {
	s := newSink(t, prometheus.NewRegistry(), rabbitmq.Config{URL: r.URL(), Exchange: "brief", RoutingKey: template(t, "k")})
	sinktest.Connect(t, s)
	if err := channel(t, r).ExchangeDelete("brief", false, false); err != nil {
		t.Fatal(err)
	}
	err := sinktest.Send(t, s, sinktest.Frame("a", 1, 10))[0]
	checkFault(t, err, bridge.FaultMissing, "brief")
	sinktest.Connect(t, s)
	if err := sinktest.Send(t, s, sinktest.Frame("a", 1, 10))[0]; err != nil {
		t.Errorf("got %v after connecting again", err)
	}
}

func connectionName(t *testing.T, r *harness.RabbitMQ) {
	s := newSink(t, prometheus.NewRegistry(), rabbitmq.Config{
		URL: r.URL(), Exchange: "e", RoutingKey: template(t, "k"), Name: "edge-video gate-7 broker",
	})
	sinktest.Connect(t, s)
	if got := r.Ctl("list_connections", "client_properties"); !strings.Contains(got, "edge-video gate-7 broker") {
		t.Errorf("the broker lists %s", got)
	}
}

func TestNew_NamesTheFaultAndNoSecret(t *testing.T) {
	key := template(t, "k")
	for name, c := range map[string]rabbitmq.Config{
		"no exchange":   {URL: "amqp://localhost", RoutingKey: key},
		"long exchange": {URL: "amqp://localhost", RoutingKey: key, Exchange: strings.Repeat("e", 256)},
		"no key":        {URL: "amqp://localhost", Exchange: "e"},
		"scheme":        {URL: "http://guest:hunter2@localhost", Exchange: "e", RoutingKey: key},
		"percent":       {URL: "amqp://guest:hunter2%zz@localhost", Exchange: "e", RoutingKey: key},
		"port":          {URL: "amqp://guest:hunter2@localhost:hunter2", Exchange: "e", RoutingKey: key},
		"slash":         {URL: "amqp://guest:12/hunter2@localhost", Exchange: "e", RoutingKey: key},
		"heartbeat":     {URL: "amqp://guest:hunter2@localhost?heartbeat=often", Exchange: "e", RoutingKey: key},
		"empty url":     {Exchange: "e", RoutingKey: key},
		"own route":     {URL: "amqp://localhost", Exchange: "e", RoutingKey: key, Own: map[string]rabbitmq.Route{"a.b": {Exchange: "x"}}},
		"expiration":    {URL: "amqp://localhost", Exchange: "e", RoutingKey: key, Expiration: time.Microsecond},
	} {
		_, err := rabbitmq.New(c, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestConnect_AbsentBrokerIsNamed(t *testing.T) {
	port := harness.FreePort(t)
	s := newSink(t, prometheus.NewRegistry(), rabbitmq.Config{
		URL: fmt.Sprintf("amqp://guest:hunter2@127.0.0.1:%d", port), Exchange: "e", RoutingKey: template(t, "k"), Timeout: time.Second,
	})
	err := s.Connect(t.Context())
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(port)) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}
