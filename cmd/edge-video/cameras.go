package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"

	"github.com/edge-video/edge-video/schema"
)

// camerasPeriod is how often the table is drawn anew.
const camerasPeriod = 2 * time.Second

type camerasCommand struct {
	client
	Once bool `help:"Print the table once; so it is too where standard output is no terminal."`
	JSON bool `name:"json" help:"Print them once, as JSON."`
}

// cameraLine is what is said of one camera; its JSON is an interface.
type cameraLine struct {
	Site   string `json:"site"`
	Camera string `json:"camera"`
	schema.CameraStatus
	ContentType string    `json:"content_type,omitempty"` // of the newest frame in the stream, as what follows; left out without one
	Captured    time.Time `json:"captured,omitzero"`
	Latency     float64   `json:"latency_seconds,omitempty"` // from its capture until it was stored; 0 where it is paced and was ahead
}

// Run shows the states of all cameras that the node knows, those of other sites at a hub among them.
func (k *camerasCommand) Run(ctx context.Context, c console) error {
	nc, site, err := k.meet(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	if !k.Once && !k.JSON && terminal(c.out) {
		return watchCameras(ctx, nc, site, c)
	}
	lines, err := listCameras(ctx, nc, site)
	switch {
	case err != nil:
		return err
	case k.JSON:
		return c.json(lines)
	}
	t := camerasTable{lines: lines, now: time.Now()}
	_, err = c.out.Write(t.text())
	return err
}

// watchCameras draws the table until ctx ends. Without an answer the old one is not shown.
func watchCameras(ctx context.Context, nc *nats.Conn, site string, c console) error {
	const clear = "\x1b[H\x1b[2J"
	tick := time.NewTicker(camerasPeriod)
	defer tick.Stop()
	for {
		lines, err := listCameras(ctx, nc, site)
		if ctx.Err() != nil {
			return nil
		}
		t := camerasTable{lines: lines, now: time.Now(), err: err}
		t.width, t.height = window(c.out)
		if _, err := c.out.Write(append([]byte(clear), t.text()...)); err != nil {
			return fmt.Errorf("writing to the terminal: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// window is a terminal's size in characters, 0 where it is not known.
func window(w any) (width, height int) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return int(size.Col), int(size.Row)
}

// listCameras reads the states, and the headers of each camera's newest frame.
func listCameras(ctx context.Context, nc *nats.Conn, site string) ([]cameraLine, error) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	states, err := statuses[schema.CameraStatus](ctx, nc, schema.BucketCameras)
	if err != nil {
		return nil, fmt.Errorf("%w; is the node running, and may these credentials read it?", err)
	}
	lines := make([]cameraLine, 0, len(states))
	newest := map[string]map[string]head{} // by site and camera
	for key, status := range states {
		line, err := newCameraLine(key, status)
		if err != nil {
			return nil, err
		}
		if _, asked := newest[line.Site]; !asked {
			if newest[line.Site], err = newestFrames(ctx, nc, line.Site, line.Site == site); err != nil {
				return nil, err
			}
		}
		line.take(newest[line.Site][line.Camera])
		lines = append(lines, line)
	}
	sortCameras(lines)
	return lines, nil
}

// head is a camera's newest frame without its picture.
type head struct {
	*schema.Frame
	stored time.Time
}

// newestFrames are the heads of a site's cameras, by camera: none where the site has no stream here.
func newestFrames(ctx context.Context, nc *nats.Conn, site string, own bool) (all map[string]head, err error) {
	stream := schema.StreamFrames
	if !own {
		stream = schema.MirrorStream(stream, site)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("reaching JetStream: %w", err)
	}
	consumer, err := js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
		HeadersOnly: true, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, FilterSubject: schema.SiteSubjects("frames", site),
		InactiveThreshold: clientTimeout})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the headers of %s: %w", stream, err)
	}
	defer func() { _ = js.DeleteConsumer(ctx, stream, consumer.CachedInfo().Name) }() // it goes by itself soon
	all = map[string]head{}
	for left := consumer.CachedInfo().NumPending; left > 0; {
		m, err := consumer.Next(jetstream.FetchContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("reading the headers of %s: %w", stream, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, fmt.Errorf("reading the headers of %s: %w", stream, err)
		}
		// A frame has a body, of which nothing was asked for.
		frame, err := schema.Decode(m.Subject(), m.Headers(), []byte{0})
		if err != nil {
			return nil, fmt.Errorf("reading the headers of %s: %w", stream, err)
		}
		all[frame.Camera] = head{frame, meta.Timestamp}
		left = meta.NumPending
	}
	return all, nil
}
