package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/node/archive"
	"github.com/edge-video/edge-video/node/render"
	"github.com/edge-video/edge-video/schema"
)

const (
	// tooOld is the age from which on a picture is not shown as live.
	tooOld = 30 * time.Second
	// boundary is between the parts of a live picture.
	boundary = "edge-video"
	// fpsMost bounds what can be asked for.
	fpsMost = 60
)

// theatre is the cameras that are watched now. Each is read once, however many watch.
type theatre struct {
	floor *floor
	crew  *crew

	mu    sync.Mutex
	shows map[archive.Camera]*show
}

// show is the newest frame of a camera that is watched.
type show struct {
	stop    context.CancelFunc
	viewers int // under the theatre's lock

	mu      sync.Mutex
	newest  *archive.Frame
	changed chan struct{} // closed when there is a newer one, and replaced
}

// join begins to watch. The caller ends it by leave. There is no show where the server ends.
func (t *theatre) join(cam archive.Camera, stream string, log func(error)) (s *show, leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s = t.shows[cam]
	if s == nil {
		ctx, stop := context.WithCancel(t.crew.ctx)
		s = &show{stop: stop, changed: make(chan struct{})}
		if !t.crew.begin(func(context.Context) { s.follow(ctx, t.floor, cam, stream, log) }) {
			stop()
			return nil, nil
		}
		t.shows[cam] = s
	}
	s.viewers++
	return s, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if s.viewers--; s.viewers == 0 {
			s.stop()
			delete(t.shows, cam)
		}
	}
}

// follow keeps the newest frame until ctx ends.
func (s *show) follow(ctx context.Context, f *floor, cam archive.Camera, stream string, log func(error)) {
	for ; ctx.Err() == nil; pause(ctx, retryPause) {
		if err := s.read(ctx, f, cam, stream); err != nil && ctx.Err() == nil {
			log(err)
		}
	}
}

func (s *show) read(ctx context.Context, f *floor, cam archive.Camera, stream string) error {
	subject := schema.FrameSubject(cam.Site, cam.ID)
	opening, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	consumer, err := f.js.OrderedConsumer(opening, stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject},
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy})
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", stream, err)
	}
	// This goroutine never waits for a viewer, so that little is under way at a time.
	messages, err := consumer.Messages(jetstream.PullMaxBytes(int(max(liveBytes, 2*f.nc.MaxPayload()))))
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", stream, err)
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("reading stream %s: %w", stream, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("reading stream %s: %w", stream, err)
		}
		frame, err := schema.Decode(m.Subject(), m.Headers(), m.Data())
		if err != nil || frame.ContentType != schema.ContentJPEG && !frame.Keyframe || time.Since(frame.Captured) > tooOld {
			continue // shows nothing on its own, or nothing that is live
		}
		s.mu.Lock()
		s.newest = &archive.Frame{Frame: frame, Stream: meta.Sequence.Stream, Stored: meta.Timestamp}
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
	}
}

// liveBytes is what a watched camera may have under way.
const liveBytes = 8 << 20

// look is the newest frame, nil where there is none, and what is closed when there is a newer one.
func (s *show) look() (*archive.Frame, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest, s.changed
}

// live sends a camera's pictures as they come. Whoever is slow gets the newest each time, and none in between.
func (s *Server) live(w http.ResponseWriter, r *request) error {
	f, cam, err := s.archived(r)
	if err != nil {
		return err
	}
	q := queryOf(r, "width", "fps")
	v := viewing{server: s, width: q.number("width", 0, 1, widest), pace: q.pace("fps")}
	if q.err != nil {
		return q.err
	}
	if _, known := f.board.cameraOf(cam.Site, cam.ID); !known {
		return noCamera(r.PathValue("id"))
	}
	if v.out, v.leave, err = s.flow(w, r, "multipart/x-mixed-replace; boundary="+boundary); err != nil || v.out == nil {
		return err
	}
	defer v.leave()
	show, leave := f.theatre.join(cam, s.framesOf(cam.Site), func(err error) { s.log.Debug("watching a camera", "camera", cam, "err", err) })
	if show == nil {
		return nil
	}
	defer leave()
	if err := v.watch(r.Context(), show); err != nil && r.Context().Err() == nil {
		s.log.Debug("a viewer has been put out", "camera", cam, "from", r.RemoteAddr, "err", err)
	}
	return nil
}

// pace is the time between two pictures of so many a second, 0 where none is given.
func (q *query) pace(name string) time.Duration {
	text := q.text(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0.01 && n <= fpsMost) {
		q.refuse("%s is %.60q, not a number from 0.01 to %d", name, text, fpsMost)
		return 0
	}
	return time.Duration(float64(time.Second) / n)
}

// framesOf is the stream that holds a site's frames.
func (s *Server) framesOf(site string) string {
	if site == s.config.Site {
		return schema.StreamFrames
	}
	return schema.MirrorStream(schema.StreamFrames, site)
}

// viewing is one who watches a camera.
type viewing struct {
	server *Server
	out    *outflow
	leave  func()
	width  int
	pace   time.Duration
}

// watch sends pictures until ctx ends, or the viewer takes nothing for too long.
func (v *viewing) watch(ctx context.Context, show *show) error {
	if err := v.out.write([]byte("--" + boundary + "\r\n")); err != nil {
		return err
	}
	var last *archive.Frame
	due := time.Now()
	for {
		frame, changed := show.look()
		if frame == last {
			select {
			case <-ctx.Done():
				return nil
			case <-changed:
			}
			continue
		}
		if wait := time.Until(due); wait > 0 {
			pause(ctx, wait)
			if ctx.Err() != nil {
				return nil
			}
			continue // there may be a newer one
		}
		last = frame
		jpeg, err := v.server.parts.Pictures.Still(ctx, []*schema.Frame{frame.Frame}, v.width)
		if errors.Is(err, render.ErrBusy) || errors.Is(err, render.ErrNoPicture) {
			continue // the next one will do
		}
		if err != nil {
			return err
		}
		if err := v.show(frame, jpeg); err != nil {
			return err
		}
		due = later(due, v.pace)
	}
}

// later is when the next picture is due. Who comes late does not catch up.
func later(due time.Time, pace time.Duration) time.Time {
	if pace == 0 {
		return due
	}
	if due = due.Add(pace); time.Since(due) > pace {
		return time.Now()
	}
	return due
}

// show sends one picture. What begins the next part comes with it: browsers show a part only when it has ended.
func (v *viewing) show(frame *archive.Frame, jpeg []byte) error {
	var head []byte
	add := func(name, value string) { head = append(head, name+": "+value+"\r\n"...) }
	add("Content-Type", schema.ContentJPEG)
	add("Content-Length", strconv.Itoa(len(jpeg)))
	frame.EachHeader(func(name, value string) {
		if name != schema.HeaderContentType {
			add(name, value)
		}
	})
	add(headerStreamSeq, strconv.FormatUint(frame.Stream, 10))
	add(headerStreamTime, frame.Stored.UTC().Format(time.RFC3339Nano))
	return v.out.write(append(head, "\r\n"...), jpeg, []byte("\r\n--"+boundary+"\r\n"))
}
