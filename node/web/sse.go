package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"
)

// outflow is an answer without an end, to a viewer who may be slow.
type outflow struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	stall time.Duration
}

// flow begins an answer without an end. The caller calls leave at its end; out is nil where only the header is asked for. From here on the
// request's context ends also where whoever asks is no longer let in.
func (s *Server) flow(w http.ResponseWriter, r *request, contentType string) (out *outflow, leave func(), err error) {
	who := client(r.Request)
	if r.caller.name != "" {
		who = "of " + r.caller.name
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // for proxies that would collect first
	if r.Method == http.MethodHead {
		return nil, nil, nil
	}
	ctx, end := context.WithCancel(r.Context())
	rise, ok := s.streams.enter(who, r.caller, end)
	if !ok {
		end()
		return nil, nil, busyf(http.StatusTooManyRequests, s.times.stall,
			"too many streams are open: at most %d for one client and %d in all; close some", streamsEach, streamsMost)
	}
	if !s.gate.holds(r.caller) {
		end() // since it was let in
	}
	r.Request = r.WithContext(ctx)
	leave = func() {
		rise()
		end()
	}
	out = &outflow{w: w, rc: http.NewResponseController(w), stall: s.times.stall}
	// A deadline for reading would end the request with it.
	if err := out.rc.SetReadDeadline(time.Time{}); err != nil {
		s.log.Debug("answering without an end", "err", err)
	}
	return out, leave, nil
}

// write sends and flushes. It fails when the viewer takes nothing for too long.
func (o *outflow) write(parts ...[]byte) error {
	if err := o.rc.SetWriteDeadline(time.Now().Add(o.stall)); err != nil {
		return fmt.Errorf("bounding a write: %w", err)
	}
	for _, p := range parts {
		if _, err := o.w.Write(p); err != nil {
			return err
		}
	}
	return o.rc.Flush()
}

// cut ends an answer so that whoever reads it sees that it is not whole.
func (o *outflow) cut() {
	_ = o.rc.SetWriteDeadline(time.Unix(1, 0)) // where it fails the connection has gone already
}

// send sends news as server-sent events.
func (o *outflow) send(all ...news) error {
	var b bytes.Buffer
	for _, n := range all {
		if n.id != "" {
			fmt.Fprintf(&b, "id: %s\n", n.id)
		}
		if n.kind != "" {
			fmt.Fprintf(&b, "event: %s\n", n.kind)
		}
		fmt.Fprintf(&b, "data: %s\n\n", n.body) // JSON has no line breaks
	}
	return o.write(b.Bytes())
}

// beat shows that the line is alive.
func (o *outflow) beat() error { return o.write([]byte(":\n\n")) }
