package web

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/node/archive"
	"github.com/edge-video/edge-video/node/render"
	"github.com/edge-video/edge-video/schema"
)

const (
	// tooOld is the age from which on a picture is not shown as live.
	tooOld = 30 * time.Second
	// liveBytes is what a watched camera may have under way.
	liveBytes = 8 << 20
	// decoderPause is how long there are keyframes alone after a decoder has failed.
	decoderPause = 5 * time.Second
	// A decoder begins behind: at a keyframe that is some seconds old, and with FFmpeg's start. What it shows older than nearBy while there are
	// newer frames only leads to what is live, unless it does not come nearer for leadMost: then it stays behind, or the camera's clock is
	// another.
	nearBy, leadMost = 200 * time.Millisecond, 2 * time.Second
)

// projector reads a camera for its show, and has its video decoded. It is used by one goroutine.
type projector struct {
	show     *show
	floor    *floor
	renderer *render.Renderer
	cam      archive.Camera
	stream   string
	log      func(error)

	decoder *decoder
	resume  time.Time // when a decoder may be begun, after one has failed
}

// decoder is a running [render.Live].
type decoder struct {
	*render.Live
	stop  context.CancelFunc
	ended chan struct{}
	begun time.Time
	fed   atomic.Uint64 // place of the newest frame that it was given
	live  bool          // what it shows is; used where pictures are shown
}

// follow keeps the newest frame until ctx ends.
func (p *projector) follow(ctx context.Context) {
	defer p.endDecoder()
	for ; ctx.Err() == nil; pause(ctx, retryPause) {
		if err := p.read(ctx); err != nil && ctx.Err() == nil {
			p.log(err)
		}
	}
}

func (p *projector) read(ctx context.Context) error {
	opening, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	consumer, err := p.floor.js.OrderedConsumer(opening, p.stream, p.start(opening))
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", p.stream, err)
	}
	// This goroutine never waits for a viewer, so that little is under way at a time.
	messages, err := consumer.Messages(jetstream.PullMaxBytes(int(max(liveBytes, 2*p.floor.nc.MaxPayload()))))
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", p.stream, err)
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("reading stream %s: %w", p.stream, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("reading stream %s: %w", p.stream, err)
		}
		frame, err := schema.Decode(m.Subject(), m.Headers(), m.Data())
		if err != nil {
			continue // none of ours
		}
		p.take(ctx, &archive.Frame{Frame: frame, Stream: meta.Sequence.Stream, Stored: meta.Timestamp})
	}
}

// start is where to read from: the newest frame, or the keyframe that leads to it where that is not far.
func (p *projector) start(ctx context.Context) jetstream.OrderedConsumerConfig {
	c := jetstream.OrderedConsumerConfig{FilterSubjects: []string{schema.FrameSubject(p.cam.Site, p.cam.ID)},
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy}
	newest, err := p.floor.archive.Newest(ctx, p.cam)
	if err != nil || newest.ContentType == schema.ContentJPEG || time.Since(newest.Captured) > tooOld {
		return c
	}
	alone, err := p.floor.archive.Picture(ctx, p.cam, time.Time{})
	if err != nil {
		return c // the next keyframe will do
	}
	c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, alone[0].Stream
	return c
}

// take shows a frame: JPEG as it is, video once it is decoded, and where there is no decoder keyframes alone.
func (p *projector) take(ctx context.Context, f *archive.Frame) {
	if f.ContentType == schema.ContentJPEG {
		p.endDecoder()
		p.showIt(f, f.Frame)
		return
	}
	if !p.decodes() && f.Keyframe {
		p.beginDecoder(ctx)
	}
	if p.decoder == nil {
		if f.Keyframe {
			p.showIt(f, f.Frame)
		}
		return
	}
	head := *f.Frame
	head.Data = nil
	bare := &archive.Frame{Frame: &head, Stream: f.Stream, Stored: f.Stored}
	d := p.decoder
	d.fed.Store(f.Stream)
	d.Feed(f.Frame, p.show.width(), func(picture *schema.Frame) {
		if d.caughtUp(bare) {
			p.showIt(bare, picture)
		}
	})
}

// caughtUp reports whether the decoder's next picture, that of f, is to be seen.
func (d *decoder) caughtUp(f *archive.Frame) bool {
	d.live = d.live || time.Since(f.Captured) <= nearBy || time.Since(d.begun) > leadMost
	return d.live || f.Stream == d.fed.Load()
}

func (p *projector) showIt(f *archive.Frame, picture *schema.Frame) {
	if time.Since(f.Captured) <= tooOld {
		p.show.set(&sight{f, picture})
	}
}

// decodes reports whether a decoder is at work.
func (p *projector) decodes() bool {
	if p.decoder == nil {
		return false
	}
	select {
	case <-p.decoder.ended:
		p.endDecoder()
		p.resume = time.Now().Add(decoderPause)
		return false
	default:
		return true
	}
}

// beginDecoder begins one where there may be one more.
func (p *projector) beginDecoder(ctx context.Context) {
	if time.Now().Before(p.resume) {
		return
	}
	live, err := p.renderer.Live()
	if err != nil {
		return // keyframes are shown until there is room
	}
	ctx, stop := context.WithCancel(ctx)
	d := &decoder{Live: live, stop: stop, ended: make(chan struct{}), begun: time.Now()}
	go func() {
		defer close(d.ended)
		if err := live.Run(ctx); err != nil {
			p.log(err)
		}
	}()
	p.decoder = d
}

func (p *projector) endDecoder() {
	if p.decoder != nil {
		p.decoder.stop()
		<-p.decoder.ended
		p.decoder = nil
	}
}
