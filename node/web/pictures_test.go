package web_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// frame is a picture of its own, captured at a moment.
func frame(t testing.TB, camera string, seq uint64, captured time.Time, width int) *schema.Frame {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, width, width/2))
	for i := range m.Pix {
		m.Pix[i] = byte(uint64(i)*seq + uint64(i)>>5)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return &schema.Frame{Site: "test", Camera: camera, Node: "node-1", Epoch: 1000, Seq: seq,
		Captured: captured.UTC().Truncate(time.Microsecond), ContentType: schema.ContentJPEG, Width: width, Height: width / 2, Data: b.Bytes()}
}

// store writes frames as a camera's lane would.
func (s *stand) store(frames ...*schema.Frame) {
	s.t.Helper()
	for _, f := range frames {
		if _, err := s.js.PublishMsg(s.t.Context(), &nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestSnapshot_IsTheFrameAskedFor holds snapshots, stored frames and the index to what the stream holds.
func TestSnapshot_IsTheFrameAskedFor(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	began := time.Now().Add(-10 * time.Second)
	var frames []*schema.Frame
	for i := range 10 {
		frames = append(frames, frame(t, "dock-1", uint64(i+1), began.Add(time.Duration(i)*time.Second), 640))
	}
	s.store(frames...)
	const path = "/api/v1/cameras/dock-1/"
	newest := s.get(path + "snapshot.jpg")
	if !bytes.Equal(newest.body, frames[9].Data) || newest.Header.Get("Content-Type") != "image/jpeg" ||
		newest.Header.Get("Frame-Seq") != "10" ||
		newest.Header.Get("Stream-Sequence") != "10" || newest.Header.Get("Stream-Time") == "" || newest.Header.Get("Server-Timing") == "" {
		t.Errorf("the newest picture has %d bytes and headers %v", len(newest.body), newest.Header)
	}
	if r := s.get(path+"snapshot.jpg", "If-None-Match", newest.Header.Get("ETag")); r.StatusCode != http.StatusNotModified || len(r.body) > 0 {
		t.Errorf("a picture that is known comes again: %d", r.StatusCode)
	}
	past := began.Add(3500 * time.Millisecond).UTC().Format(time.RFC3339Nano)
	if r := s.get(path + "snapshot.jpg?at=" + past); !bytes.Equal(r.body, frames[3].Data) {
		t.Errorf("at %s came frame %s, want 4", past, r.Header.Get("Frame-Seq"))
	}
	small, err := jpeg.DecodeConfig(bytes.NewReader(s.get(path + "snapshot.jpg?width=160").body))
	if err != nil || small.Width != 160 || small.Height != 80 {
		t.Errorf("got %dx%d %v", small.Width, small.Height, err)
	}
	if r := s.get(path + "frames/4"); !bytes.Equal(r.body, frames[3].Data) || r.Header.Get("Frame-Seq") != "4" ||
		r.Header.Get("Cache-Control") == "no-store" {
		t.Errorf("frame 4 is %s, %v", r.Header.Get("Frame-Seq"), r.Header)
	}
	if r := s.get(path + "frames/4?as=jpeg&width=64"); r.StatusCode != http.StatusOK || len(r.body) >= len(frames[3].Data) {
		t.Errorf("a picture of frame 4 has status %d and %d bytes", r.StatusCode, len(r.body))
	}
	var index struct {
		Frames []struct {
			StreamSeq uint64 `json:"stream_seq"`
			Bytes     int
		}
		Next string
	}
	from := began.Add(-time.Second).UTC().Format(time.RFC3339Nano)
	span := path + "frames?from=" + from + "&to=" + time.Now().UTC().Format(time.RFC3339Nano)
	if s.get(span).json(t, &index); len(index.Frames) != 10 || index.Frames[2].Bytes != len(frames[2].Data) || index.Next != "" {
		t.Errorf("got %+v", index)
	}
	if s.get(span+"&every=3").json(t, &index); len(index.Frames) != 4 {
		t.Errorf("every 3 s there are %d frames, want 4", len(index.Frames))
	}
	var seqs []uint64
	for cursor := ""; ; cursor = "&cursor=" + index.Next {
		index.Next = ""
		s.get(span+"&limit=4"+cursor).json(t, &index)
		for _, f := range index.Frames {
			seqs = append(seqs, f.StreamSeq)
		}
		if index.Next == "" {
			break
		}
	}
	if len(seqs) != 10 {
		t.Errorf("page by page came %v", seqs)
	}
	for path, want := range map[string]int{
		path + "snapshot.jpg?at=2100-01-01T00:00:00Z": 400, path + "snapshot.jpg?width=5": 400, path + "snapshot.jpg?width=x": 400,
		path + "snapshot.jpg?at=2000-01-01T00:00:00Z": 404,
		path + "frames/0": 404, path + "frames/11": 404, path + "frames/x": 404, path + "frames/4?as=png": 400,
		path + "frames/4?width=64": 400, path + "frames?limit=100000": 400,
		path + "frames?every=-1": 400, path + "frames?from=2100-01-01T00:00:00Z": 400, path + "frames?cursor=2000-01-01T00:00:00Z": 400,
		"/api/v1/cameras/none/snapshot.jpg": 404, "/api/v1/cameras/else.dock-1/snapshot.jpg": 404, "/api/v1/cameras/none/frames/4": 404,
		"/api/v1/cameras/none/live.mjpeg": 404,
		"/api/v1/clip.mp4?camera=dock-1":  400, "/api/v1/clip.mp4?from=2000-01-01T00:00:00Z&to=2000-01-01T00:00:01Z": 400,
		"/api/v1/clip.mkv?camera=dock-1&from=2000-01-01T00:00:00Z&to=2000-01-01T02:00:00Z": 400,
		"/api/v1/clip.mkv?camera=none&from=2000-01-01T00:00:00Z&to=2000-01-01T00:00:01Z":   404,
		path + "clip.mp4?from=2000-01-01T00:00:00Z&to=2000-01-01T00:00:01Z":                404,
		path + "clip.mp4?from=2000-01-01T00:00:01Z&to=2000-01-01T00:00:00Z":                400,
	} {
		s.get(path).refused(t, want, "")
	}
	stream, err := s.js.Stream(t.Context(), schema.StreamFrames)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSequence(3)); err != nil {
		t.Fatal(err)
	}
	s.get(path+"frames/2").refused(t, http.StatusGone, "stream.max_age")
}

// TestSnapshot_OfVideoSaysWhichKeyframeItShows holds that the picture of copied video is that of the keyframe which its headers and its tag
// name, also while a newer one is decoded, and that the newer one follows.
func TestSnapshot_OfVideoSaysWhichKeyframeItShows(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	const path = "/api/v1/cameras/dock-1/snapshot.jpg"
	var tag string
	for seq, brightness := range []int{40, 120, 200} {
		s.store(keyframe(t, "dock-1", uint64(seq+1), brightness))
		harness.WaitFor(t, 20*time.Second, "the newest picture", func() bool {
			r := s.get(path)
			shown, err := strconv.Atoi(r.Header.Get("Frame-Seq"))
			if err != nil || shown != seq && shown != seq+1 || shown == 0 {
				t.Fatalf("with frame %d as the newest, status %d and headers %v", seq+1, r.StatusCode, r.Header)
			}
			m, err := jpeg.Decode(bytes.NewReader(r.body))
			if err != nil {
				t.Fatal(err)
			}
			want := []int{40, 120, 200}[shown-1]
			if y, _, _, _ := m.At(80, 40).RGBA(); math.Abs(float64(y>>8)-float64(want-16)*255/219) > 4 {
				t.Errorf("frame %d has brightness %d, as video %d", shown, y>>8, want)
			}
			if r.Header.Get("Stream-Sequence") != strconv.Itoa(shown) || (r.Header.Get("ETag") == tag) != (shown == seq) {
				t.Errorf("the picture of frame %d has tag %s, after %s, and headers %v", shown, r.Header.Get("ETag"), tag, r.Header)
			}
			if shown == seq+1 {
				tag = r.Header.Get("ETag")
			}
			return shown == seq+1
		})
	}
	if r := s.get(path, "If-None-Match", tag); r.StatusCode != http.StatusNotModified || len(r.body) > 0 {
		t.Errorf("a picture that is known comes again: %d", r.StatusCode)
	}
}

// keyframe is copied video of one brightness.
func keyframe(t *testing.T, camera string, seq uint64, brightness int) *schema.Frame {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=black:size=160x80:rate=1", "-frames:v", "1",
		"-vf", fmt.Sprintf("format=yuv420p,geq=lum=%d:cb=128:cr=128", brightness), "-c:v", "libx264", "-f", "h264", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	return &schema.Frame{Site: "test", Camera: camera, Node: "node-1", Epoch: 1000, Seq: seq,
		Captured: time.Now().UTC().Truncate(time.Microsecond), ContentType: schema.ContentH264, Width: 160, Height: 80, Keyframe: true,
		HasPTS: true, PTS: int64(seq) * 90_000, Data: out}
}

// TestClip_HoldsTheSpan holds a clip to be a film of the frames of its span.
func TestClip_HoldsTheSpan(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	began := time.Now().Add(-10 * time.Second)
	for i := range 20 {
		s.store(frame(t, "dock-1", uint64(i+1), began.Add(time.Duration(i)*100*time.Millisecond), 320))
	}
	span := fmt.Sprintf("from=%s&to=%s", began.Add(350*time.Millisecond).UTC().Format(time.RFC3339Nano),
		began.Add(1050*time.Millisecond).UTC().Format(time.RFC3339Nano))
	for path, magic := range map[string]string{"/api/v1/clip.mp4?camera=dock-1&" + span: "ftyp",
		"/api/v1/cameras/test.dock-1/clip.mkv?" + span: "\x1aE\xdf\xa3"} {
		r := s.get(path)
		if r.StatusCode != http.StatusOK || !bytes.Contains(r.body[:min(64, len(r.body))], []byte(magic)) {
			t.Errorf("%s: status %d, %d bytes", path, r.StatusCode, len(r.body))
		}
	}
}

// TestLive_SlowViewersTouchNobody holds 50 viewers that read slowly or not at all to no effect on another one, who gets the newest picture
// within a moment; one that is slow gets the newest each time, and none in between.
func TestLive_SlowViewersTouchNobody(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.camera("dock-1", schema.CameraUp)
	harness.WaitFor(t, 5*time.Second, "the camera", func() bool { return s.get("/api/v1/cameras/dock-1").StatusCode == http.StatusOK })
	for range 50 {
		if _, err := io.WriteString(dial(t, s.address), "GET /api/v1/cameras/dock-1/live.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	var sent, longest atomic.Uint64
	writing, stop := context.WithCancel(t.Context())
	wrote := make(chan error, 1)
	picture := frame(t, "dock-1", 1, time.Now(), 1024) // some 300 KB, so that buffers are soon full
	go func() {
		for seq := uint64(1); writing.Err() == nil; seq++ {
			f := *picture
			f.Seq, f.Captured = seq, time.Now().UTC().Truncate(time.Microsecond)
			began := time.Now()
			if _, err := s.js.PublishMsg(context.WithoutCancel(writing),
				&nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data}); err != nil {
				wrote <- err
				return
			}
			sent.Store(seq)
			longest.Store(max(longest.Load(), uint64(time.Since(began))))
			<-time.After(20 * time.Millisecond)
		}
		wrote <- nil
	}()
	defer func() {
		stop()
		if err := <-wrote; err != nil {
			t.Error(err)
		}
	}()
	harness.WaitFor(t, 10*time.Second, "frames", func() bool { return sent.Load() > 50 })
	parts := s.parts("/api/v1/cameras/dock-1/live.mjpeg")
	var last uint64
	for range 20 {
		seq, data := parts()
		if seq <= last || !bytes.Equal(data, picture.Data) {
			t.Fatalf("after picture %d came %d", last, seq)
		}
		last = seq
	}
	if behind := sent.Load() - last; behind > 10 {
		t.Errorf("a quick viewer is %d pictures behind", behind)
	}
	at := sent.Load()
	harness.WaitFor(t, 10*time.Second, "more frames", func() bool { return sent.Load() > at+50 }) // nothing is read meanwhile
	read := 0
	for ; last < at+50; read++ {
		last, _ = parts()
	}
	if read > 40 {
		t.Errorf("a viewer that paused for 50 pictures got %d", read)
	}
	t.Logf("storing a frame took %s at most", time.Duration(longest.Load()))
}

// parts reads a live picture, part by part.
func (s *stand) parts(path string) func() (seq uint64, data []byte) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cancel()
		resp.Body.Close()
	})
	_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		s.t.Fatal(err)
	}
	reader := multipart.NewReader(bufio.NewReaderSize(resp.Body, 1), params["boundary"])
	return func() (uint64, []byte) {
		s.t.Helper()
		p, err := reader.NextPart()
		if err != nil {
			s.t.Fatal(err)
		}
		size, err := strconv.Atoi(p.Header.Get("Content-Length"))
		if err != nil {
			s.t.Fatal(err)
		}
		data := make([]byte, size)
		if _, err := io.ReadFull(p, data); err != nil {
			s.t.Fatal(err)
		}
		seq, err := strconv.ParseUint(p.Header.Get("Frame-Seq"), 10, 64)
		if err != nil {
			s.t.Fatal(err)
		}
		return seq, data
	}
}
