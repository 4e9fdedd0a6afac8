package web

import (
	"slices"
	"strings"
)

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
