package harness_test

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"io"
	"net"
	"os"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/edge-video/edge-video/test/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRabbitMQ_KeepsConfirmedMessagesOverKill(t *testing.T) {
	t.Parallel()
	r := harness.StartRabbitMQ(t, harness.RabbitMQOptions{})
	ch, err := r.Dial().Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare("kept", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	m := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("frame")}
	c, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", "kept", false, false, m)
	if err != nil || !c.Wait() {
		t.Fatalf("publishing: %v, confirmed %v", err, c.Acked())
	}
	// A message is on disk when it is confirmed, a queue when the log of the broker's database is.
	if got := r.Ctl("eval", "mnesia:sync_log()."); got != "ok\n" {
		t.Fatalf("rabbitmqctl says %q", got)
	}
	r.Kill()
	r.Start()
	ch, err = r.Dial().Channel()
	if err != nil {
		t.Fatal(err)
	}
	if d, ok, err := ch.Get("kept", true); err != nil || !ok || string(d.Body) != "frame" {
		t.Errorf("got %q, %v, %v from the queue", d.Body, ok, err)
	}
	if got := r.Ctl("list_queues", "name", "--no-table-headers"); got != "kept\n" {
		t.Errorf("rabbitmqctl lists %q", got)
	}
}

func TestRedis_StopStartPause(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t, harness.RedisOptions{Persistent: true, Password: "secret"})
	if err := r.Client().Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	r.Stop()
	if err := r.Client().Get(t.Context(), "k").Err(); err == nil {
		t.Error("a stopped server answers")
	}
	r.Start()
	if v, err := r.Client().Get(t.Context(), "k").Result(); err != nil || v != "v" {
		t.Errorf("got %q, %v after a start", v, err)
	}
	r.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	o, err := redis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	o.ContextTimeoutEnabled = true
	c := redis.NewClient(o)
	defer c.Close()
	if err := c.Get(ctx, "k").Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v from a paused server", err)
	}
	r.Resume()
	if err := c.Get(t.Context(), "k").Err(); err != nil {
		t.Errorf("got %v after Resume", err)
	}
}

func TestProxy_HangHoldsBytesAndCutDrops(t *testing.T) {
	t.Parallel()
	p := harness.StartProxy(t, echo(t))
	c := dial(t, p.Addr())
	roundTrip(t, c)
	p.Hang()
	write(t, c, "held")
	if _, err := readFor(c, 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v through a hanging proxy", err)
	}
	p.Restore()
	if got, err := readFor(c, 10*time.Second); err != nil || got != "held" {
		t.Errorf("got %q, %v after Restore", got, err)
	}
	p.Cut()
	if _, err := readFor(c, 10*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v from a cut connection", err)
	}
	if c, err := net.Dial("tcp", p.Addr()); err == nil {
		c.Close()
		t.Error("a cut proxy accepts")
	}
	p.Restore()
	roundTrip(t, dial(t, p.Addr()))
}

func TestProxy_HangBlocksWriter(t *testing.T) {
	t.Parallel()
	p := harness.StartProxy(t, echo(t))
	c := dial(t, p.Addr())
	p.Hang()
	if err := c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing 64 MiB ends with %v", err)
	}
}

func TestProxy_ShapedIsALineOfARateAndALatency(t *testing.T) {
	t.Parallel()
	p := harness.StartProxy(t, echo(t))
	c := dial(t, p.Addr())
	roundTrip(t, c)
	p.Shape(1<<20, 100*time.Millisecond)
	began := time.Now()
	roundTrip(t, c)
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("there and back takes %v, want at least twice the latency", took)
	}
	began = time.Now()
	go func() { _, _ = c.Write(make([]byte, 1<<20)) }()
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if n, err := io.ReadFull(c, make([]byte, 1<<20)); err != nil {
		t.Fatalf("got %d bytes: %v", n, err)
	}
	// the two directions work at the same time, each with the latency
	if took := time.Since(began); took < 1200*time.Millisecond || took > 3*time.Second {
		t.Errorf("1 MiB takes %v there and back at 1 MiB/s and 100 ms", took)
	}
	p.Restore()
	roundTrip(t, c)
}

func TestJPEGOfSize_DecodesAtExactSize(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2 << 10, 2<<10 + 1, 65_000, 70_000, 1_500_000, 20 << 20} {
		b := harness.JPEGOfSize(t, 160, 120, n, n)
		img, err := jpeg.Decode(bytes.NewReader(b))
		if err != nil || len(b) != n || img.Bounds().Dx() != 160 || img.Bounds().Dy() != 120 {
			t.Errorf("%d bytes: got %d bytes, %v", n, len(b), err)
		}
	}
	if bytes.Equal(harness.GenerateJPEG(t, 64, 48, 50, 1), harness.GenerateJPEG(t, 64, 48, 50, 2)) {
		t.Error("two seeds make the same picture")
	}
}

func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func write(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func roundTrip(t *testing.T, c net.Conn) {
	t.Helper()
	write(t, c, "hello")
	if got, err := readFor(c, 10*time.Second); err != nil || got != "hello" {
		t.Fatalf("got %q, %v through the proxy", got, err)
	}
}

func readFor(c net.Conn, d time.Duration) (string, error) {
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		return "", err
	}
	b := make([]byte, 64)
	n, err := c.Read(b)
	return string(b[:n]), err
}
