package web

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/edge-video/edge-video/node/render"
)

// Config is what a [Server] needs to know.
type Config struct {
	Site, Node, Version string
	Hub                 bool
	Access              Access
	Certificate, Key    string // paths of PEM files; "" for HTTP without TLS
}

// Parts are the node's, as far as the server shows them. Functions return at once, but Reload.
type Parts struct {
	Metrics   http.Handler
	Readiness func() Readiness

	// The rest is nil where there is no API, as in a process with bridges alone.
	Connect  func(name string) (*nats.Conn, error)
	Pictures *render.Renderer
	Horizon  func() time.Duration                    // how long an outage of a bridge still fits
	Sites    func() []Site                           // of a hub
	Links    func() []Link                           // to hubs
	Reload   func(context.Context) ([]string, error) // changes, one each; an error is one of the configuration
}

// Readiness is the body of /readyz.
type Readiness struct {
	Ready    bool     `json:"ready"`
	Reasons  []string `json:"reasons"`  // why it is not ready
	Degraded []string `json:"degraded"` // what is wrong beside
}

// Server serves the API, the page, metrics and health.
type Server struct {
	config  Config
	parts   Parts
	log     *slog.Logger
	mux     *http.ServeMux
	gate    *gate
	rates   *buckets
	streams turnout
	times   times
	origins *http.CrossOriginProtection
	local   atomic.Bool // it listens on loopback alone
	proof   atomic.Pointer[tls.Certificate]
	floor   atomic.Pointer[floor] // nil while there is no JetStream
}

// times bound how long whoever asks may keep the server waiting.
type times struct {
	header, read, write time.Duration // for a request's header, the whole request, and its answer
	idle                time.Duration // between two requests on one connection
	stall               time.Duration // how long a viewer of something without an end may take nothing
	heartbeat           time.Duration // how often such a viewer is sent something where there is nothing to tell
}

var patience = times{header: 5 * time.Second, read: 10 * time.Second, write: 30 * time.Second, idle: time.Minute,
	stall: 10 * time.Second, heartbeat: 10 * time.Second}

// New makes a server. The error is that of a certificate that cannot be read.
func New(config Config, parts Parts, log *slog.Logger) (*Server, error) {
	s := &Server{config: config, parts: parts, log: log, mux: http.NewServeMux(), gate: newGate(config.Access), rates: newBuckets(),
		times: patience, origins: http.NewCrossOriginProtection()}
	if err := s.readCertificate(); err != nil {
		return nil, err
	}
	routes := s.routes()
	if parts.Connect != nil {
		page, err := pageRoutes()
		if err != nil {
			return nil, err
		}
		routes = append(routes, page...)
	}
	for _, r := range routes {
		s.mux.Handle(r.pattern, &door{s, r})
	}
	return s, nil
}

// Update puts other users and tokens in force, and reads the certificate again. Answers without an end to whoever is no longer among them
// end. Where the certificate cannot be read nothing has changed.
func (s *Server) Update(access Access) error {
	if err := s.readCertificate(); err != nil {
		return err
	}
	s.gate.update(access)
	s.streams.review(s.gate.holds)
	return nil
}

func (s *Server) readCertificate() error {
	if s.config.Certificate == "" {
		return nil
	}
	c, err := tls.LoadX509KeyPair(s.config.Certificate, s.config.Key)
	if err != nil {
		return fmt.Errorf("http.tls: reading certificate and key: %w", err)
	}
	s.proof.Store(&c)
	return nil
}

// Serve answers what comes to the listener until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		s.local.Store(a.IP.IsLoopback())
	}
	crowd := newCrowd(l)
	srv := &http.Server{Handler: s, ReadHeaderTimeout: s.times.header, ReadTimeout: s.times.read, WriteTimeout: s.times.write,
		IdleTimeout: s.times.idle, MaxHeaderBytes: 16 << 10, ConnState: crowd.note,
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx }}
	var open net.Listener = crowd
	if s.config.Certificate != "" {
		srv.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.proof.Load(), nil }}
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			// A client that holds on is cut off.
			_ = srv.Close()
		}
	}()
	var err error
	if srv.TLSConfig != nil {
		err = srv.ServeTLS(open, "", "")
	} else {
		err = srv.Serve(open)
	}
	if ctx.Err() == nil {
		return fmt.Errorf("serving HTTP: %w", err)
	}
	<-closed
	return nil
}
