package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// problem is the body of an error, as RFC 9457 has it.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"` // names the culprit, and what to do
	Instance string `json:"instance"`
}

// fault is an error with an HTTP status. Its text is for whoever asked.
type fault struct {
	status int
	detail string
	retry  time.Duration // when to ask again, 0 where that does not help
	header http.Header   // more of the answer's
}

func (f *fault) Error() string { return f.detail }

// refusef makes a fault.
func refusef(status int, format string, args ...any) error {
	return &fault{status: status, detail: fmt.Sprintf(format, args...)}
}

// busyf makes a fault that ends by itself.
func busyf(status int, retry time.Duration, format string, args ...any) error {
	return &fault{status: status, detail: fmt.Sprintf(format, args...), retry: retry}
}

// fail answers with a problem. An error that is no fault is the node's own trouble, and counts as passing.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := new(fault)
	if !errors.As(err, &f) {
		if r.Context().Err() == nil { // else whoever asked has gone, or the server ends
			s.log.Warn("answering over HTTP", "path", r.URL.Path, "err", err)
		}
		f = &fault{status: http.StatusServiceUnavailable, detail: err.Error() + "; ask again, and see /readyz", retry: time.Second}
	}
	h := w.Header()
	for _, name := range []string{"Etag", "Cache-Control", "Content-Disposition", "Content-Length"} {
		h.Del(name) // those of the answer that did not come
	}
	for name, values := range f.header {
		h[name] = values
	}
	if f.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(max(1, int(f.retry.Round(time.Second).Seconds()))))
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(f.status)
	// Whoever has gone needs no answer.
	_ = encode(w, problem{Type: "about:blank", Title: http.StatusText(f.status), Status: f.status, Detail: f.detail,
		Instance: r.URL.EscapedPath()})
}

// answer sends a value as JSON.
func answer(w http.ResponseWriter, v any) error { return answerWith(w, http.StatusOK, v) }

func answerWith(w http.ResponseWriter, status int, v any) error {
	var body bytes.Buffer
	if err := encode(&body, v); err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// Whoever has gone needs no answer.
	_, _ = w.Write(body.Bytes())
	return nil
}

// encode writes JSON in which < and > are themselves: nothing here is HTML.
func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
