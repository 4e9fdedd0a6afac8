package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/node"
)

// listenHTTP opens the listener for HTTP, nil where there is none.
func listenHTTP(c *config.Config) (net.Listener, error) {
	if c.HTTP.Listen == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", c.HTTP.Listen)
	if err != nil {
		return nil, fmt.Errorf("http.listen: %w; stop what listens there or give another address", err)
	}
	return l, nil
}

// address is where HTTP is served, for people.
func address(l net.Listener) string {
	if l == nil {
		return "none"
	}
	return l.Addr().String()
}

// serveHTTP serves until ctx ends: metrics of the process and of the bridges that it has, health and readiness.
func serveHTTP(ctx context.Context, l net.Listener, reg *prometheus.Registry, b *bridges, ready func() readiness) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		all := append(prometheus.Gatherers{reg}, b.gatherers()...)
		promhttp.HandlerFor(all, promhttp.HandlerOpts{Registry: reg}).ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { ready().answer(w) })
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
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
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving HTTP: %w", err)
	}
	<-closed
	return nil
}

// readiness is the body of /readyz.
type readiness struct {
	Ready    bool     `json:"ready"`
	Reasons  []string `json:"reasons"`  // why it is not ready
	Degraded []string `json:"degraded"` // what is wrong beside
}

func (r readiness) answer(w http.ResponseWriter) {
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if !r.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	// A client that has gone needs no answer.
	_, _ = w.Write(append(body, '\n'))
}

// readiness is not given only when capture itself is in danger: a camera or a sink that is down degrades the node, no more.
func (a *app) readiness() readiness {
	r := readiness{Reasons: []string{}, Degraded: []string{}}
	if err := a.server.Err(); err != nil {
		r.Reasons = append(r.Reasons, err.Error())
	}
	cameras := a.fleet.Health()
	r.Degraded = append(r.Degraded, cameras.Degraded...)
	if cameras.Cut != "" {
		r.Reasons = append(r.Reasons, cameras.Cut)
	}
	n := len(a.config.Load().Cameras)
	if a.config.Load().Clustered() {
		n = cameras.Cameras // the others are read elsewhere
	}
	if n > 0 && cameras.Up == 0 {
		r.Reasons = append(r.Reasons, fmt.Sprintf("none of %d cameras delivers", n))
	}
	if cameras.Horizon <= 0 {
		r.Reasons = append(r.Reasons, "the horizon is exhausted: the stream discards frames that a bridge has not delivered")
	}
	if disk, err := node.DiskOf(a.config.Load().DataDir); err != nil {
		r.Reasons = append(r.Reasons, err.Error())
	} else if disk.Free < disk.Floor {
		r.Reasons = append(r.Reasons, fmt.Sprintf("the disk of data_dir is full: %d MiB free, %d needed", disk.Free>>20, disk.Floor>>20))
	}
	r.Degraded = append(r.Degraded, a.bridges.degraded()...)
	if a.uplink != nil && unwell(a.uplink.Health()) {
		r.Degraded = append(r.Degraded, complaint([]bridge.Health{a.uplink.Health()}, 1))
	}
	a.siteReadiness(&r)
	a.linkReadiness(&r)
	if err := a.registrar.Err(); err != nil {
		r.Degraded = append(r.Degraded, err.Error())
	}
	r.Ready = len(r.Reasons) == 0
	return r
}
