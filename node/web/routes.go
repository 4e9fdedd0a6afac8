package web

import (
	"fmt"
	"net/http"

	"github.com/edge-video/edge-video/node/render"
	"github.com/edge-video/edge-video/schema"
)

const prefix = "/api/v1"

// routes are all that can be asked for.
func (s *Server) routes() []route {
	all := []route{
		{"GET /metrics", Viewer, cheap, s.metrics},
		{"GET /healthz", "", cheap, s.health},
		{"GET /readyz", "", cheap, s.ready},
		{lastPattern, Viewer, cheap, s.nothing},
	}
	if s.parts.Connect == nil {
		return all
	}
	api := func(method, path string, role Role, c class, serve func(http.ResponseWriter, *request) error) {
		all = append(all, route{method + " " + prefix + path, role, c, serve})
	}
	api("GET", "/status", Viewer, cheap, s.status)
	api("GET", "/cameras", Viewer, cheap, s.cameras)
	api("GET", "/cameras/{id}", Viewer, cheap, s.camera)
	api("GET", "/cameras/{id}/snapshot.jpg", Viewer, pictures, s.snapshot)
	api("GET", "/cameras/{id}/live.mjpeg", Viewer, cheap, s.live)
	api("GET", "/cameras/{id}/frames", Viewer, heavy, s.frames)
	api("GET", "/cameras/{id}/frames/{seq}", Viewer, pictures, s.stored)
	for _, format := range []render.Format{render.MP4, render.Matroska} {
		api("GET", "/clip."+string(format), Viewer, heavy, s.clip(format))
		api("GET", "/cameras/{id}/clip."+string(format), Viewer, heavy, s.clip(format))
	}
	api("POST", "/cameras/{id}/kick", Operator, steering, s.order(schema.KickSubject))
	api("POST", "/cameras/{id}/pause", Operator, steering, s.order(schema.PauseSubject))
	api("POST", "/cameras/{id}/resume", Operator, steering, s.order(schema.ResumeSubject))
	api("GET", "/bridges", Viewer, cheap, s.bridges)
	api("POST", "/bridges/{name}/drill", Operator, steering, s.drill)
	api("DELETE", "/bridges/{name}/drill", Operator, steering, s.release)
	api("GET", "/streams", Viewer, cheap, s.listStreams)
	api("GET", "/sites", Viewer, cheap, s.sites)
	api("GET", "/links", Viewer, cheap, s.links)
	api("GET", "/events", Viewer, cheap, s.events)
	api("GET", "/watch", Viewer, cheap, s.watch)
	api("POST", "/reload", Operator, steering, s.reload)
	api("GET", "/openapi.json", Viewer, cheap, s.openAPI)
	api("GET", "/openapi.yaml", Viewer, cheap, s.openAPI)
	return all
}

func (s *Server) metrics(w http.ResponseWriter, r *request) error {
	s.parts.Metrics.ServeHTTP(w, r.Request)
	return nil
}

// health says that the process works.
func (s *Server) health(w http.ResponseWriter, _ *request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// Whoever has gone needs no answer.
	_, _ = fmt.Fprintln(w, "ok")
	return nil
}

// ready says whether the node does its work, and to those who may know it, why not.
func (s *Server) ready(w http.ResponseWriter, r *request) error {
	state := s.parts.Readiness()
	if !r.caller.role.allows(Viewer) {
		state.Reasons, state.Degraded = []string{}, []string{}
	}
	if !state.Ready {
		return answerWith(w, http.StatusServiceUnavailable, state)
	}
	return answer(w, state)
}
