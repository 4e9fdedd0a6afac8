package web

import (
	"slices"
	"strings"
	"time"
)

// Hurry has a server wait for others for a moment only. It is not serving yet.
func Hurry(s *Server) {
	const moment = 300 * time.Millisecond
	s.times = times{header: moment, read: moment, write: 2 * moment, idle: moment, stall: 2 * moment, heartbeat: moment / 3}
}

// Streams is how many answers without an end are being given.
func Streams(s *Server) int {
	s.streams.mu.Lock()
	defer s.streams.mu.Unlock()
	return len(s.streams.seats)
}

// Patterns are a server's routes but for the page's, sorted.
func Patterns(s *Server) (all []string) {
	for _, r := range s.routes() {
		if strings.Contains(r.pattern, prefix+"/") || slices.Contains([]string{"GET /metrics", "GET /healthz", "GET /readyz"}, r.pattern) {
			all = append(all, r.pattern)
		}
	}
	slices.Sort(all)
	return all
}
