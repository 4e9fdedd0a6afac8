package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/edge-video/edge-video/node/archive"
	"github.com/edge-video/edge-video/schema"
)

// Site is what a hub knows of one of its sites.
type Site struct {
	Site      string    `json:"site"`
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"`
	LagFrames uint64    `json:"lag_frames"` // frames that the site holds and the hub lacks
	Lag       float64   `json:"lag_seconds"`
	CatchUp   float64   `json:"catch_up_seconds"` // how long the hub has been catching up
	Error     string    `json:"error,omitempty"`
	Warning   string    `json:"warning,omitempty"`
}

// Link is one from a site to a hub.
type Link struct {
	Name       string    `json:"name"`
	Hub        string    `json:"hub"` // host and port
	Up         bool      `json:"up"`
	Since      time.Time `json:"since"`
	RTT        float64   `json:"rtt_seconds"`
	Reconnects int       `json:"reconnects"`
	Mirrored   bool      `json:"mirrored"`   // the hub takes the site's frames
	LagFrames  uint64    `json:"lag_frames"` // frames that it has not confirmed
	Lag        float64   `json:"lag_seconds"`
	Error      string    `json:"error,omitempty"`
	Warning    string    `json:"warning,omitempty"`
}

// condition is how the node is.
type condition struct {
	Site    string `json:"site"`
	Node    string `json:"node"`
	Version string `json:"version"`
	Hub     bool   `json:"hub"`
	Readiness
	Horizon float64 `json:"horizon_seconds"`
}

func (s *Server) condition() condition {
	return condition{Site: s.config.Site, Node: s.config.Node, Version: s.config.Version, Hub: s.config.Hub, Readiness: s.parts.Readiness(),
		Horizon: s.parts.Horizon().Round(time.Second).Seconds()}
}

func (s *Server) status(w http.ResponseWriter, r *request) error {
	return answer(w, struct {
		condition
		Time time.Time `json:"time"`
		Role Role      `json:"role"` // of whoever asks
	}{s.condition(), time.Now().UTC(), r.caller.role})
}

func (s *Server) cameras(w http.ResponseWriter, _ *request) error {
	f, err := s.ground()
	if err != nil {
		return err
	}
	return answer(w, f.board.cameraList())
}

// camera is one of them.
func (s *Server) camera(w http.ResponseWriter, r *request) error {
	f, err := s.ground()
	if err != nil {
		return err
	}
	site, id, err := s.cameraNamed(r.PathValue("id"))
	if err != nil {
		return err
	}
	c, ok := f.board.cameraOf(site, id)
	if !ok {
		return noCamera(r.PathValue("id"))
	}
	out := struct {
		Camera
		Held *held `json:"held"` // null where nothing is
	}{Camera: c}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	switch first, last, err := f.archive.Held(ctx, archive.Camera{Site: site, ID: id}); {
	case err == nil:
		out.Held = &held{first.Captured, last.Captured}
	case !errors.Is(err, archive.ErrNone) && !errors.Is(err, archive.ErrNoSite):
		return missing(err)
	}
	return answer(w, out)
}

// held is when the oldest and the newest frame of a camera were captured.
type held struct {
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// cameraNamed splits <camera> or <site>.<camera>.
func (s *Server) cameraNamed(name string) (site, id string, err error) {
	site, id, ok := strings.Cut(name, ".")
	if !ok {
		site, id = s.config.Site, name
	}
	if !schema.ValidSite(site) || !schema.ValidName(id) {
		return "", "", noCamera(name)
	}
	return site, id, nil
}

func noCamera(name string) error {
	return refusef(http.StatusNotFound,
		"there is no camera %.120q here; GET /api/v1/cameras lists them, and one of another site is <site>.<camera>", name)
}

func (s *Server) bridges(w http.ResponseWriter, _ *request) error {
	f, err := s.ground()
	if err != nil {
		return err
	}
	return answer(w, f.board.bridgeList())
}

// horizon is that of bridges, nil where they are of many sites.
func (s *Server) horizon() *float64 {
	if s.config.Hub {
		return nil
	}
	h := s.parts.Horizon().Round(time.Second).Seconds()
	return &h
}

func (s *Server) sites(w http.ResponseWriter, _ *request) error { return answer(w, s.siteList()) }

func (s *Server) siteList() []Site {
	if s.parts.Sites == nil {
		return []Site{}
	}
	return append([]Site{}, s.parts.Sites()...)
}

func (s *Server) links(w http.ResponseWriter, _ *request) error { return answer(w, s.linkList()) }

func (s *Server) linkList() []Link {
	if s.parts.Links == nil {
		return []Link{}
	}
	return append([]Link{}, s.parts.Links()...)
}

// splitKey takes a bucket's key apart.
func splitKey(key string) (site, name string, ok bool) {
	site, name, ok = strings.Cut(key, ".")
	return site, name, ok && schema.ValidSite(site) && schema.ValidName(name)
}
