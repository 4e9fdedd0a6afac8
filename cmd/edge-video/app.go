package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/cmd/edge-video/registration"
	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/node/hub"
	"github.com/edge-video/edge-video/node/link"
	"github.com/edge-video/edge-video/node/render"
	"github.com/edge-video/edge-video/node/web"
)

// app is one node with everything that runs in it.
type app struct {
	config     atomic.Pointer[config.Config] // what is in force
	file       string                        // where it was read from, "" for the demo's
	ffmpegPath string
	ffmpeg     camera.FFmpeg // found when a camera wants it
	log        *slog.Logger
	reg        *prometheus.Registry
	server     *node.Server
	fleet      *node.Fleet
	bridges    *bridges
	hub        *hub.Hub       // nil where this is no hub
	links      *link.Watcher  // nil where there are none
	uplink     *bridge.Worker // nil where all frames, or none, go to a hub
	registrar  *registration.Registrar
	render     *render.Renderer
	first      *plan // bridges to begin with
	web        *web.Server
	http       net.Listener // nil where there is none
	control    *control     // set by runControl

	reloading sync.Mutex // one reload at a time
}

// newApp puts a node together. It creates nothing on disk; the listener for HTTP is open when it returns.
func newApp(ctx context.Context, c *config.Config, ffmpegPath string, log *slog.Logger) (*app, error) {
	a := &app{ffmpegPath: ffmpegPath, log: log, reg: newRegistry(), render: render.New(ffmpegPath, log)}
	a.config.Store(c)
	if err := checkDisk(c); err != nil {
		return nil, err
	}
	if err := a.findFFmpeg(ctx, c); err != nil {
		return nil, err
	}
	var err error
	if a.server, err = node.NewServer(serverConfig(c), log); err != nil {
		return nil, err
	}
	fleet := fleetConfig(c)
	fleet.QueueBytes = limitMemory(log)
	a.reg.MustRegister(a.server.Figures())
	a.fleet = node.NewFleet(fleet, a.server, a.ffmpeg, log, a.reg)
	a.bridges = newBridges(a.server.Connect, func(b config.Bridge) bool { return b.InNode }, log)
	if a.first, err = a.bridges.prepare(c); err != nil {
		return nil, err
	}
	if len(c.Uplink.Cameras) > 0 {
		a.uplink = newUplink(c, a.server.Connect, log, a.reg)
	}
	if c.Hub.Mirror {
		a.hub = hub.New(hubConfig(c), a.server.Connect, a.server.Sites, log, a.reg)
	}
	if len(c.NATS.Leaf.Remotes) > 0 {
		a.links = link.New(linkConfig(c), a.server, a.server.Connect, log, a.reg)
	}
	a.registrar = a.newRegistrar(c)
	if a.web, err = newWeb(c, a.webParts(), log); err != nil {
		return nil, err
	}
	a.http, err = listenHTTP(c)
	return a, err
}

// findFFmpeg looks at the ffmpeg at hand, where there is a camera to read.
func (a *app) findFFmpeg(ctx context.Context, c *config.Config) error {
	if len(c.Cameras) == 0 {
		return nil
	}
	ffmpeg, hardware, err := findFFmpeg(ctx, c, a.ffmpegPath)
	if err != nil {
		return err
	}
	a.ffmpeg = ffmpeg
	logHardware(a.log, hardware)
	return nil
}

// logHardware says what "hwaccel: auto" has come to.
func logHardware(log *slog.Logger, h camera.Hardware) {
	for _, t := range h.Tries {
		if t.Err != nil {
			log.Info("hardware decoding does not work here", "hwaccel", t.Accelerator, "err", t.Err)
		}
	}
	if len(h.Tries) > 0 {
		log.Info("hwaccel auto", "decoder", cmp.Or(h.Use, "software"))
	}
}

// newRegistry has the metrics of the process itself.
func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	return reg
}

func buildInfo() prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "edge_video_build_info", Help: "1, with the version of this program.",
		ConstLabels: prometheus.Labels{"version": programVersion()}})
	g.Set(1)
	return g
}

// run runs the node until ctx ends or a part of it cannot go on. Things stop in the order in which they depend on each other: HTTP,
// cameras with their queues, and bridges at once; the server when they have all returned. A signal on hangup, which may be nil, has the
// configuration read again.
func (a *app) run(ctx context.Context, hangup <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	serving, stopServer := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServer()
	var server errgroup.Group
	server.Go(func() error {
		defer cancel()
		return a.server.Run(serving)
	})
	work, working := errgroup.WithContext(ctx)
	if a.http != nil {
		work.Go(func() error { return a.web.Serve(working, a.http) })
	}
	select {
	case <-a.server.Ready():
		work.Go(func() error { return a.fleet.Run(working) })
		work.Go(func() error { return a.bridges.run(working, a.first) })
		work.Go(func() error { return a.render.Run(working) })
		if a.uplink != nil {
			work.Go(func() error { return a.uplink.Run(working) })
		}
		if a.hub != nil {
			work.Go(func() error { return a.hub.Run(working) })
		}
		if a.links != nil {
			work.Go(func() error { return a.links.Run(working) })
		}
		if a.http != nil {
			work.Go(func() error { return a.web.Run(working) })
		}
		work.Go(func() error {
			return a.runControl(working, func() {
				work.Go(func() error { return a.reloadOn(working, hangup) })
				work.Go(func() error { return a.registrar.Run(working) })
			})
		})
	case <-working.Done():
	}
	err := work.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil // asked to stop while something was starting
	}
	stopServer()
	return errors.Join(err, server.Wait())
}
