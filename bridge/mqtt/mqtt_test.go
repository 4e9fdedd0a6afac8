package mqtt_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/mqtt"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

func TestSink(t *testing.T) {
	m := harness.StartMosquitto(t, harness.MosquittoOptions{Password: "pass", Config: []string{
		fmt.Sprint("message_size_limit ", maxMessage), "set_tcp_nodelay true",
	}})
	sinktest.Run(t, newBroker(t, m))
}

func TestSink_MessageIsTheFrame(t *testing.T) {
	m := harness.StartMosquitto(t, harness.MosquittoOptions{})
	messages := make(chan *paho.Publish, 1)
	subscribe(t, m, "#", func(p *paho.Publish) { messages <- p })
	video := sinktest.Frame("dock-2", 8, 300_000)
	video.ContentType, video.Keyframe, video.Replayed = schema.ContentH264, true, true
	for _, retain := range []bool{false, true} {
		s := connected(t, mqtt.Config{URL: m.URL(), Topic: template(t, "{site}/{camera}"), Retain: retain})
		for _, f := range []*schema.Frame{sinktest.Frame("dock-1", 7, 100_000), video} {
			if err := sinktest.Send(t, s, f)[0]; err != nil {
				t.Fatal(err)
			}
			checkMessage(t, <-messages, f)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// only the frame that was to be retained waits for who comes later
	subscribe(t, m, "lisbon/#", func(p *paho.Publish) { messages <- p })
	if p := <-messages; !p.Retain || p.Topic != "lisbon/dock-1" {
		t.Errorf("%s is not retained", p.Topic)
	}
}

// A frame that comes behind a newer one, or again, is none that the broker should show to who subscribes next.
func TestSink_RetainedIsTheNewestFrame(t *testing.T) {
	m := harness.StartMosquitto(t, harness.MosquittoOptions{})
	s := connected(t, mqtt.Config{URL: m.URL(), Topic: template(t, "{camera}"), Retain: true})
	newest, older, again := sinktest.Frame("dock-1", 7, 100), sinktest.Frame("dock-1", 6, 100), sinktest.Frame("dock-1", 8, 100)
	again.Replayed = true
	for i, err := range sinktest.Send(t, s, sinktest.Frame("dock-1", 5, 100), newest, older, again) {
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
	}
	messages := make(chan *paho.Publish, 1)
	subscribe(t, m, "#", func(p *paho.Publish) { messages <- p })
	if p := <-messages; p.Properties.User.Get(schema.HeaderSeq) != "7" || !p.Retain {
		t.Errorf("retained is frame %s", p.Properties.User.Get(schema.HeaderSeq))
	}
}

func checkMessage(t *testing.T, p *paho.Publish, f *schema.Frame) {
	t.Helper()
	headers := map[string]string{}
	for _, u := range p.Properties.User {
		headers[u.Key] = u.Value
	}
	want := map[string]string{}
	for name, values := range f.Header() {
		want[name] = values[0]
	}
	delete(want, schema.HeaderContentType)
	if diff := cmp.Diff([]any{f.Site + "/" + f.Camera, f.ContentType, byte(1), want}, []any{p.Topic, p.Properties.ContentType, p.QoS, headers}); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	if !bytes.Equal(p.Payload, f.Data) {
		t.Errorf("got another body, of %d bytes", len(p.Payload))
	}
}

// TestContract_OldSubscriberGetsPicturesByTopic plays a consumer of the older edge-video: MQTT 3.1.1, quality of service 1, all topics
// below the prefix, of which the rest is the camera's name and the body is the JPEG.
func TestContract_OldSubscriberGetsPicturesByTopic(t *testing.T) {
	m := harness.StartMosquitto(t, harness.MosquittoOptions{})
	const count = 6
	out, in := new(bytes.Buffer), exec.CommandContext(t.Context(), "mosquitto_sub", "-V", "mqttv311", "-p", m.Addr()[strings.LastIndex(m.Addr(), ":")+1:],
		"-q", "1", "-t", "cameras/#", "-C", fmt.Sprint(count), "-W", "20", "-F", "%t %q %x", "-i", "consumer")
	in.Stdout, in.Stderr = out, out
	if err := in.Start(); err != nil {
		t.Fatalf("%v: apt-get install mosquitto-clients", err)
	}
	harness.WaitFor(t, 20*time.Second, "the consumer to subscribe", func() bool { return strings.Contains(m.Output(), "consumer 1 cameras/#") })
	s := connected(t, mqtt.Config{URL: m.URL(), Topic: template(t, "{prefix}{camera}")})
	var want []string
	for seq := range uint64(count / 2) {
		for _, camera := range []string{"dock-1", "gate"} {
			f := sinktest.Frame(camera, seq+1, 50_000)
			if err := sinktest.Send(t, s, f)[0]; err != nil {
				t.Fatal(err)
			}
			want = append(want, "cameras/"+camera+" 1 "+hex.EncodeToString(f.Data))
		}
	}
	if err := in.Wait(); err != nil {
		t.Fatalf("the consumer: %v\n%.1000s", err, out)
	}
	if got := strings.Split(strings.TrimSpace(out.String()), "\n"); !cmp.Equal(got, want) {
		t.Errorf("got %d messages, %.100q ..., want %d, %.100q ...", len(got), got, len(want), want)
	}
}

func TestSink_PacketBeyondTheBrokersMaximumIsRejectedAlone(t *testing.T) {
	m := harness.StartMosquitto(t, harness.MosquittoOptions{Config: []string{"max_packet_size 20000"}})
	s := connected(t, mqtt.Config{URL: m.URL(), Topic: template(t, "{camera}")})
	errs := sinktest.Send(t, s, sinktest.Frame("a", 1, 19_000), sinktest.Frame("a", 2, 20_000), sinktest.Frame("a", 3, 19_000))
	if errs[0] != nil || !errors.Is(errs[1], bridge.ErrRejected) || errs[2] != nil {
		t.Errorf("got %v", errs)
	}
}

func TestSink_TopicWithoutRightsIsPermission(t *testing.T) {
	acl := t.TempDir() + "/acl"
	writeFile(t, acl, "topic readwrite open/#\n")
	m := harness.StartMosquitto(t, harness.MosquittoOptions{Config: []string{"acl_file " + acl}})
	s := connected(t, mqtt.Config{URL: m.URL(), Topic: template(t, "{camera}/x")})
	errs := sinktest.Send(t, s, sinktest.Frame("open", 1, 100), sinktest.Frame("closed", 1, 100), sinktest.Frame("open", 2, 100))
	if errs[0] != nil || bridge.FaultOf(errs[1]) != bridge.FaultPermission || !errors.Is(errs[1], bridge.ErrNotConnected) || !errors.Is(errs[2], bridge.ErrNotConnected) {
		t.Errorf("got %v", errs)
	}
}

func TestConnect_WrongPasswordIsCredentialsAndNotRepeated(t *testing.T) {
	m := harness.StartMosquitto(t, harness.MosquittoOptions{Password: "right"})
	for _, user := range []string{"guest:hunter2@", ""} {
		s := newSink(t, prometheus.NewRegistry(), mqtt.Config{URL: "mqtt://" + user + m.Addr(), Topic: template(t, "k")})
		err := s.Connect(t.Context())
		if bridge.FaultOf(err) != bridge.FaultCredentials || !errors.Is(err, bridge.ErrNotConnected) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
	}
}

func TestSink_FramesWithoutSubscriberAreCounted(t *testing.T) {
	m := harness.StartMosquitto(t, harness.MosquittoOptions{})
	var log bytes.Buffer
	reg := prometheus.NewRegistry()
	s, err := mqtt.New(mqtt.Config{URL: m.URL(), Topic: template(t, "nobody/{camera}"), ClientID: "c"}, slog.New(slog.NewJSONHandler(&log, nil)), reg)
	if err != nil {
		t.Fatal(err)
	}
	sinktest.Connect(t, s)
	for _, err := range sinktest.Send(t, s, sinktest.Frame("a", 1, 10), sinktest.Frame("a", 2, 10)) {
		if err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil || len(families) != 1 || families[0].GetMetric()[0].GetCounter().GetValue() != 2 {
		t.Errorf("got %v, %v", families, err)
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), `"topic":"nobody/{camera}"`) {
		t.Errorf("got log %s", log.String())
	}
}

func TestNew_NamesTheFaultAndNoSecret(t *testing.T) {
	topic := template(t, "k")
	for name, c := range map[string]mqtt.Config{
		"no topic":  {URL: "mqtt://localhost", ClientID: "c"},
		"no client": {URL: "mqtt://localhost", Topic: topic},
		"scheme":    {URL: "http://guest:hunter2@localhost", Topic: topic, ClientID: "c"},
		"percent":   {URL: "mqtt://guest:hunter2%zz@localhost", Topic: topic, ClientID: "c"},
		"port":      {URL: "mqtt://guest:hunter2@localhost:hunter2", Topic: topic, ClientID: "c"},
		"slash":     {URL: "mqtt://guest:12/hunter2@localhost", Topic: topic, ClientID: "c"},
		"path":      {URL: "mqtt://guest:hunter2@localhost/x", Topic: topic, ClientID: "c"},
		"no host":   {URL: "mqtt://guest:hunter2@:1883", Topic: topic, ClientID: "c"},
		"empty url": {Topic: topic, ClientID: "c"},
	} {
		_, err := mqtt.New(c, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTLS_CertificatesAreAskedFor(t *testing.T) {
	c := harness.MakeCertificates(t)
	m := harness.StartMosquitto(t, harness.MosquittoOptions{TLS: c})
	secure := func(t testing.TB, addr string, proofs bridge.TLS) bridge.Sink {
		return newSink(t, prometheus.NewRegistry(), mqtt.Config{URL: "mqtts://" + addr, Topic: template(t, "{camera}"), ClientID: "secure", TLS: proofs})
	}
	sinktest.RunTLS(t, m.TLSAddr(), c, secure)
	if err := secure(t, m.Addr(), bridge.TLS{}).Connect(t.Context()); bridge.FaultOf(err) != bridge.FaultTLS {
		t.Errorf("got %v from a broker without TLS", err)
	}
}
