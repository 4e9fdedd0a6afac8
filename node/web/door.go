package web

import (
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"
)

const (
	// pathMost and queryMost are far above what anybody asks in earnest.
	pathMost  = 1024
	queryMost = 4096
	// bodyMost bounds what is sent along.
	bodyMost = 64 << 10
)

// request is one that has been let in.
type request struct {
	*http.Request
	caller caller
}

// route is something that can be asked for.
type route struct {
	pattern string
	role    Role // "" is everyone, also without credentials
	class   class
	serve   func(w http.ResponseWriter, r *request) error
}

// door is where requests for a route come in.
type door struct {
	*Server
	route
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if err := s.admit(r); err != nil {
		s.fail(w, r, err)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// admit refuses what no route takes.
func (s *Server) admit(r *http.Request) error {
	switch {
	case len(r.URL.Path) > pathMost:
		return refusef(http.StatusRequestURITooLong, "the path has %d bytes; %d are enough for everything here", len(r.URL.Path), pathMost)
	case len(r.URL.RawQuery) > queryMost:
		return refusef(http.StatusRequestURITooLong, "the query has %d bytes; %d are enough for everything here", len(r.URL.RawQuery), queryMost)
	case r.Method == http.MethodConnect || !strings.HasPrefix(r.URL.Path, "/"):
		return refusef(http.StatusBadRequest, "this is no proxy; ask for a path of this server, as in GET /api/v1/cameras")
	case path.Clean(r.URL.Path) != strings.TrimSuffix(r.URL.Path, "/") && r.URL.Path != "/":
		return refusef(http.StatusBadRequest, "the path %.200q holds . or .. or //; write it without", r.URL.Path)
	case !s.known(r.Host):
		return refusef(http.StatusMisdirectedRequest,
			"this listener is on loopback and asks for no credentials, and so is not reached under the name %.100q; "+
				"use localhost or 127.0.0.1, or name http.users in the configuration", r.Host)
	}
	if err := s.origins.Check(r); err != nil {
		return refusef(http.StatusForbidden,
			"a page of another origin may not change anything here; send the request from this server's own page, or without a browser")
	}
	return nil
}

// known reports whether a Host header names this server. Without credentials a page from anywhere could have its own name lead to this
// machine, and then ask as if it were of this origin.
func (s *Server) known(host string) bool {
	if !s.local.Load() || !s.gate.open() {
		return true
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// ServeHTTP implements [http.Handler].
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := d.enter(r)
	if err == nil {
		err = d.serve(w, &request{Request: r, caller: c})
	}
	if err != nil {
		d.fail(w, r, err)
	}
}

// enter finds out who comes, and whether now.
func (d *door) enter(r *http.Request) (caller, error) {
	if d.role == "" && r.Header.Get("Authorization") == "" && !d.gate.open() {
		return caller{}, d.paced(client(r))
	}
	c, err := d.gate.who(r)
	if err != nil {
		return c, err
	}
	if !c.role.allows(d.role) && d.role != "" {
		return c, refusef(http.StatusForbidden, "%s is a %s, and this takes an %s; http.users and http.tokens of the configuration give roles",
			c.name, c.role, d.role)
	}
	if err := takesBody(r); err != nil {
		return c, err
	}
	if c.name != "" {
		return c, d.paced("of " + c.name)
	}
	return c, d.paced(client(r))
}

// paced bounds how often one client asks.
func (d *door) paced(who string) error {
	if wait := d.rates.take(d.class.name+" "+who, d.class.burst, d.class.every); wait > 0 {
		return busyf(http.StatusTooManyRequests, wait, "too many %s; at most %v a second, and %d at once",
			d.class.name, d.class.every, d.class.burst)
	}
	return nil
}

// takesBody lets a form of a foreign page not pass for a request of a program.
func takesBody(r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	if t, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(t), "application/json") {
		return refusef(http.StatusUnsupportedMediaType, "the body is %.60q; send none, or JSON with Content-Type: application/json",
			r.Header.Get("Content-Type"))
	}
	if r.ContentLength > bodyMost {
		return refusef(http.StatusRequestEntityTooLarge, "the body has %d bytes; %d are enough for everything here", r.ContentLength, bodyMost)
	}
	return nil
}

// nothing answers what no route is for.
func (s *Server) nothing(w http.ResponseWriter, r *request) error {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if h, _ := s.mux.Handler(other); !s.isLast(h) {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return refusef(http.StatusNotFound, "there is nothing at %.200q; GET /api/v1/openapi.json lists what there is", r.URL.Path)
	}
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	return &fault{status: http.StatusMethodNotAllowed, detail: r.Method + " is not for this; " + strings.Join(allowed, " or ") + " is",
		header: http.Header{"Allow": {strings.Join(allowed, ", ")}}}
}

// isLast reports whether a handler is that of what nothing else is for.
func (s *Server) isLast(h http.Handler) bool {
	d, ok := h.(*door)
	return ok && d.pattern == lastPattern
}

const lastPattern = "/"
