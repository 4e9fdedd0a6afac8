package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// order has the node that reads a camera do something about it, wherever that is.
func (s *Server) order(subject func(site, camera string) string) func(http.ResponseWriter, *request) error {
	return func(w http.ResponseWriter, r *request) error {
		f, err := s.ground()
		if err != nil {
			return err
		}
		name := r.PathValue("id")
		site, id, err := s.cameraNamed(name)
		if err != nil {
			return err
		}
		if _, ok := f.board.cameraOf(site, id); !ok {
			return noCamera(name)
		}
		body, err := f.ask(r.Context(), subject(site, id), nil)
		if absent(err) {
			return s.unanswered(site, id)
		}
		if err != nil {
			return err
		}
		s.log.Info("asked over HTTP", "camera", name, "order", r.URL.Path, "by", r.caller.name)
		return answer(w, body)
	}
}

// unanswered is the fault that no node does anything about a camera.
func (s *Server) unanswered(site, id string) error {
	if site != s.config.Site {
		return busyf(http.StatusServiceUnavailable, askTimeout,
			"no node of site %s answers for camera %s; see in /api/v1/sites whether its link is up, and ask at a node of the site meanwhile", site, id)
	}
	return busyf(http.StatusServiceUnavailable, askTimeout, "no node of site %s that runs now reads camera %s; ask again in a moment", site, id)
}

// absent reports whether nobody has answered a question.
func absent(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)
}

// refusalOf is the fault that a service answers with, nil where it does not.
func refusalOf(m *nats.Msg) error {
	code := m.Header.Get(micro.ErrorCodeHeader)
	if code == "" {
		return nil
	}
	status, err := strconv.Atoi(code)
	if err != nil || status < 400 || status > 499 {
		status = http.StatusServiceUnavailable
	}
	text := m.Header.Get(micro.ErrorHeader)
	if len(m.Data) > 0 && !json.Valid(m.Data) {
		text = string(m.Data)
	}
	return refusef(status, "%s", text)
}

// reload has the node read its configuration again.
func (s *Server) reload(w http.ResponseWriter, r *request) error {
	if _, err := s.ground(); err != nil {
		return err
	}
	changes, err := s.parts.Reload(r.Context())
	if err != nil {
		return refusef(http.StatusUnprocessableEntity, "the configuration is refused, and the old one runs on: %s", err)
	}
	if changes == nil {
		changes = []string{}
	}
	return answer(w, struct {
		Changes []string `json:"changes"`
	}{changes})
}
