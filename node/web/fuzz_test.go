package web_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// FuzzServer_AnswersAnything holds any request to an answer: no panic, no 5xx but 503, and a problem document for every error.
func FuzzServer_AnswersAnything(f *testing.F) {
	s := newStand(f)
	s.camera("dock-1", schema.CameraUp)
	s.store(frame(f, "dock-1", 1, time.Now(), 64))
	harness.WaitFor(f, 5*time.Second, "the camera", func() bool { return s.get("/api/v1/cameras/dock-1").StatusCode == http.StatusOK })
	for _, path := range []string{"/", "/metrics", "/readyz", "/api/v1/status", "/api/v1/cameras", "/api/v1/cameras/dock-1",
		"/api/v1/cameras/dock-1/snapshot.jpg", "/api/v1/cameras/dock-1/frames",
		"/api/v1/cameras/dock-1/frames/1", "/api/v1/cameras/dock-1/live.mjpeg",
		"/api/v1/cameras/../../etc", "/api/v1/cameras/%00", "/api/v1/bridges/broker/drill",
		"/api/v1/events",
		"/api/v1/watch", "/api/v1/clip.mp4", "/api/v1/nothing", "//", "/style.css"} {
		f.Add("GET", path, "", "", "", "")
		f.Add("POST", path, "width=64&at=2026-01-01T00:00:00Z", "Content-Type", "application/json", `{"for":"1s"}`)
		f.Add("GET", path, "from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:01Z&camera=dock-1&limit=1&every=1", "Accept", "text/event-stream", "")
		f.Add("DELETE", path, "as=jpeg&%zz", "Authorization", "Basic !!", "[")
	}
	f.Fuzz(func(t *testing.T, method, path, query, header, value, body string) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		u := &url.URL{Path: path, RawQuery: query}
		if strings.HasPrefix(path, "/") {
			if parsed, err := url.ParseRequestURI(path); err == nil {
				u.Path, u.RawPath = parsed.Path, parsed.RawPath
			}
		}
		r := (&http.Request{Method: method, URL: u, Host: "localhost", Header: http.Header{}, RemoteAddr: "127.0.0.1:1",
			ContentLength: int64(len(body)), Body: http.NoBody, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
		if body != "" {
			r.Body = readCloser{strings.NewReader(body)}
		}
		r.Header[http.CanonicalHeaderKey(header)] = []string{value}
		w := httptest.NewRecorder()
		s.web.ServeHTTP(w, r)
		if ctx.Err() != nil {
			return // whoever asked has gone
		}
		if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s %q: status %d: %s", method, path, w.Code, w.Body)
		}
		if w.Code < 400 || strings.HasSuffix(path, "/readyz") {
			return
		}
		var p struct{ Status int }
		if w.Header().Get("Content-Type") != "application/problem+json" || method != http.MethodHead &&
			(json.Unmarshal(w.Body.Bytes(), &p) != nil || p.Status != w.Code) {
			t.Errorf("%s %q: status %d with %q: %.200s", method, path, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	})
}

// readCloser is a body.
type readCloser struct{ *strings.Reader }

// Close implements [io.Closer].
func (readCloser) Close() error { return nil }
