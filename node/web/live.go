package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/edge-video/edge-video/node/archive"
	"github.com/edge-video/edge-video/node/render"
	"github.com/edge-video/edge-video/schema"
)

const (
	// boundary is between the parts of a live picture.
	boundary = "edge-video"
	// fpsMost bounds what can be asked for.
	fpsMost = 60
)

// linger is how long a camera is read on after its last viewer has left: he may come back, or reload the page.
const linger = 5 * time.Second

// theatre is the cameras that are watched now. Each is read once, and its video decoded once, however many watch.
type theatre struct {
	floor    *floor
	renderer *render.Renderer
	crew     *crew

	mu    sync.Mutex
	shows map[archive.Camera]*show
}

// show is the newest frame of a camera that is watched.
type show struct {
	stop   context.CancelFunc
	ending *time.Timer // stops it when nobody has come, nil while somebody watches; under the theatre's lock

	mu      sync.Mutex
	widths  []int // wanted by those who watch, 0 for the picture as it is
	newest  *sight
	changed chan struct{} // closed when there is a newer one, and replaced
}

// sight is a frame, and what its picture is made of: the frame itself, or what the decoder has shown of it.
type sight struct {
	*archive.Frame
	picture *schema.Frame
}

// join begins to watch. The caller ends it by leave. There is no show where the server ends.
func (t *theatre) join(cam archive.Camera, stream string, width int, log func(error)) (s *show, leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s = t.shows[cam]
	if s == nil {
		ctx, stop := context.WithCancel(t.crew.ctx)
		s = &show{stop: stop, changed: make(chan struct{})}
		s.enter(width)
		p := &projector{show: s, floor: t.floor, renderer: t.renderer, cam: cam, stream: stream, log: log}
		if !t.crew.begin(func(context.Context) { p.follow(ctx) }) {
			stop()
			return nil, nil
		}
		t.shows[cam] = s
	} else {
		s.enter(width)
	}
	if s.ending != nil {
		s.ending.Stop()
		s.ending = nil
	}
	return s, func() { t.leave(cam, s, width) }
}

func (t *theatre) leave(cam archive.Camera, s *show, width int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.leave(width) > 0 {
		return
	}
	var ending *time.Timer
	ending = time.AfterFunc(linger, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if s.ending == ending {
			s.stop()
			delete(t.shows, cam)
		}
	})
	s.ending = ending
}

func (s *show) enter(width int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.widths = append(s.widths, width)
}

// leave returns how many are left.
func (s *show) leave(width int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.widths, width)
	s.widths = slices.Delete(s.widths, i, i+1)
	return len(s.widths)
}

// width is what serves all who watch.
func (s *show) width() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.widths) == 0 || slices.Contains(s.widths, 0) {
		return 0
	}
	return slices.Max(s.widths)
}

// set shows a newer picture.
func (s *show) set(newest *sight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = newest
	close(s.changed)
	s.changed = make(chan struct{})
}

// look is the newest frame, nil where there is none, and what is closed when there is a newer one.
func (s *show) look() (*sight, <-chan struct{}) {
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
	log := func(err error) { s.log.Debug("watching a camera", "camera", cam, "err", err) }
	show, leave := f.theatre.join(cam, s.framesOf(cam.Site), v.width, log)
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
	var last *sight
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
		jpeg, err := v.server.parts.Pictures.Still(ctx, []*schema.Frame{frame.picture}, v.width)
		if errors.Is(err, render.ErrBusy) || errors.Is(err, render.ErrNoPicture) {
			continue // the next one will do
		}
		if err != nil {
			return err
		}
		if err := v.show(frame.Frame, jpeg); err != nil {
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
