package mqtt_test

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/mqtt"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

func TestCheck_KnowsTheBrokersLimit(t *testing.T) {
	m := harness.StartMosquitto(t, harness.MosquittoOptions{Config: []string{"max_packet_size 100000"}})
	for bytes, refused := range map[int]bool{90_000: false, 110_000: true} {
		s := newSink(t, prometheus.NewRegistry(), mqtt.Config{URL: m.URL(), Topic: template(t, "cameras/{camera}"), ClientID: "check"})
		if err := s.Check(t.Context(), sinktest.Frame("dock-1", 1, bytes)); refused != errors.Is(err, bridge.ErrRejected) || !refused &&
			err != nil {
			t.Errorf("%d bytes: %v", bytes, err)
		}
	}
	s := newSink(t, prometheus.NewRegistry(), mqtt.Config{URL: "mqtt://127.0.0.1:1", Topic: template(t, "cameras/{camera}"),
		ClientID: "check"})
	if err := s.Check(t.Context(), sinktest.Frame("dock-1", 1, 1)); bridge.FaultOf(err) != bridge.FaultRefused {
		t.Errorf("nobody listens: %v", err)
	}
}
