package web

import (
	"net/http"
	"time"
)

// watch tells the whole state, and then what changes.
func (s *Server) watch(w http.ResponseWriter, r *request) error {
	f, err := s.ground()
	if err != nil {
		return err
	}
	out, leave, err := s.flow(w, r, "text/event-stream")
	if err != nil || out == nil {
		return err
	}
	defer leave()
	watcher := f.board.watch()
	defer f.board.leave(watcher)
	beat := time.NewTicker(s.times.heartbeat)
	defer beat.Stop()
	for ready := false; ; {
		all, ok := f.board.take(watcher)
		if !ready && f.board.complete() {
			ready = true
			all = append(all, news{kind: "ready", body: []byte("{}")})
		}
		if err := out.send(all...); err != nil || !ok {
			return nil // it comes again, and gets the whole state
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-watcher.wake:
		case <-beat.C:
			if err := out.beat(); err != nil {
				return nil
			}
		}
	}
}
