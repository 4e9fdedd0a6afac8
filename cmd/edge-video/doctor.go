package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/cmd/edge-video/doctor"
	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
)

// doctorAtOnce is how many things are looked at at a time: an FFmpeg that only copies costs little.
const doctorAtOnce = 8

type doctorCommand struct {
	client
	FFmpeg  string `name:"ffmpeg" default:"ffmpeg" placeholder:"PATH" help:"The ffmpeg to ask; by default the one on PATH."`
	Connect bool   `help:"Connect also to cameras that a running node reads. A camera that serves one connection alone may drop the node's."`
	JSON    bool   `name:"json" help:"Print the report as JSON."`
}

// errUnwell says that something was found that does not work; the report has said what.
var errUnwell = errors.New("something does not work; see the lines that begin with fail")

// Run looks at everything that the node needs, whether or not it runs, and changes nothing.
func (d *doctorCommand) Run(ctx context.Context, c console) error {
	cfg, warnings := config.Default(), []config.Warning(nil)
	if d.Config != "" {
		var err error
		if cfg, warnings, err = config.Load(d.Config, os.LookupEnv); err != nil {
			return err
		}
	}
	e := &examination{command: d, config: cfg}
	for _, w := range warnings {
		e.add(doctor.Finding{Area: "config", Status: doctor.Warn, What: w.String(), Remedy: "change it, if it is not meant so"})
	}
	report, err := e.report(ctx)
	if err != nil {
		return err
	}
	if err := d.print(c, report); err != nil {
		return err
	}
	if report.Status == doctor.Fail {
		return errUnwell
	}
	return nil
}

func (d *doctorCommand) print(c console, r *doctor.Report) error {
	if d.JSON {
		return c.json(r)
	}
	return r.Write(c.out)
}

// examination is one look at a node.
type examination struct {
	command *doctorCommand
	config  *config.Config
	running bool
	nc      *nats.Conn // to the running node, or nil
	cameras map[string]schema.CameraStatus
	bridges map[string]schema.BridgeStatus
	checks  []doctor.Check
}

// add is a check whose result is known.
func (e *examination) add(all ...doctor.Finding) {
	e.checks = append(e.checks, func(context.Context) []doctor.Finding { return all })
}

func (e *examination) report(ctx context.Context) (*doctor.Report, error) {
	cfg := e.config
	var err error
	if e.running, err = node.InUse(cfg.DataDir); err != nil {
		e.add(doctor.Finding{Area: "disk", Of: cfg.DataDir, Status: doctor.Fail, What: err.Error(),
			Remedy: "run it as the user that runs the node"})
	}
	if e.running {
		e.state()
	}
	if e.running || e.command.Server != "" {
		e.meet(ctx)
	}
	if e.nc != nil {
		defer e.nc.Close()
	}
	e.checks = append(e.checks, doctor.Clock, doctor.Disk(e.diskNeeds()))
	if e.nc != nil {
		e.checks = append(e.checks, doctor.ClockOf(e.nc, cfg.Site, false))
		e.sites()
	}
	e.ports()
	e.payload()
	for _, r := range leafConfig(cfg.NATS.Leaf).Remotes {
		e.checks = append(e.checks, doctor.Link(r, cfg.Site))
	}
	if err := e.capture(ctx); err != nil {
		return nil, err
	}
	if err := e.brokers(); err != nil {
		return nil, err
	}
	r := &doctor.Report{Site: cfg.Site, Node: cfg.Node, Running: e.running, Findings: doctor.Examine(ctx, doctorAtOnce, e.checks...)}
	r.Sum()
	return r, context.Cause(ctx)
}

// state asks the running node how it is.
func (e *examination) state() {
	if e.config.HTTP.Listen == "" {
		e.add(doctor.Finding{Area: "node", Status: doctor.OK, What: "runs"})
		return
	}
	e.checks = append(e.checks, doctor.Running(e.config.HTTP.Listen))
}

// meet asks the running node, or another of its site, what only it knows.
func (e *examination) meet(ctx context.Context) {
	address, err := e.command.address(e.config)
	if err == nil {
		e.nc, err = e.command.dial(address, nats.Name("edge-video doctor"))
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, clientTimeout)
		defer cancel()
		e.cameras, err = statuses[schema.CameraStatus](ctx, e.nc, schema.BucketCameras)
		if err == nil {
			e.bridges, err = statuses[schema.BridgeStatus](ctx, e.nc, schema.BucketBridges)
		}
	}
	if err != nil {
		e.add(doctor.Unreached(err))
	}
}

// sites compares clocks with those of a hub's sites.
func (e *examination) sites() {
	if !e.config.Hub.Mirror {
		return
	}
	sites, err := node.ReadSites(e.config.DataDir)
	if err != nil {
		e.add(doctor.Finding{Area: "config", Of: "sites", Status: doctor.Fail, What: err.Error(),
			Remedy: "mend the file, or give the sites credentials again with edge-video site add"})
	}
	for _, s := range sites {
		e.checks = append(e.checks, doctor.ClockOf(e.nc, s.Name, true))
	}
}

func (e *examination) diskNeeds() doctor.DiskNeeds {
	n := doctor.DiskNeeds{Dir: e.config.DataDir, StreamBytes: int64(e.config.Stream.MaxBytes), SyncAlways: e.config.Stream.Sync.Always}
	if len(e.config.Uplink.Cameras) > 0 {
		n.StreamBytes += int64(e.config.Uplink.MaxBytes)
	}
	for _, cam := range e.config.Cameras {
		n.Rate += estimate(cam)
		n.Frames += cam.FPS
	}
	return n
}

func (e *examination) ports() {
	n := e.config.NATS
	name := e.config.Site + "-" + e.config.Node
	for _, l := range []doctor.Listener{{Key: "nats.listen", Address: n.Listen, Server: name}, {Key: "nats.leaf.listen",
		Address: n.Leaf.Listen, Server: name},
		{Key: "nats.cluster.listen", Address: n.Cluster.Listen, Server: name}, {Key: "http.listen", Address: e.config.HTTP.Listen, HTTP: true}} {
		if l.Address != "" {
			e.checks = append(e.checks, doctor.Port(l, e.running))
		}
	}
}

// payload compares the server's limit with the largest picture.
func (e *examination) payload() {
	s := serverConfig(e.config)
	limit, err := s.Payload()
	f := doctor.Finding{Area: "payload", Of: "nats", Status: doctor.OK,
		What:    fmt.Sprintf("max_payload %d KiB has room for pictures of %d KiB", limit>>10, s.MaxFrame>>10),
		Figures: map[string]any{"max_payload_bytes": limit, "max_frame_bytes": s.MaxFrame}}
	if err != nil {
		f.Status, f.What, f.Remedy, f.Figures = doctor.Fail, err.Error(), "see nats.config and the files that nats.leaf names", nil
	}
	e.add(f)
}

// capture looks at FFmpeg, hardware and cameras.
func (e *examination) capture(ctx context.Context) error {
	if len(e.config.Cameras) == 0 {
		return nil
	}
	ffmpeg, hardware, err := findFFmpeg(ctx, e.config, e.command.FFmpeg)
	if errors.As(err, new(*config.Error)) {
		e.add(doctor.Finding{Area: "ffmpeg", Status: doctor.Fail, What: err.Error(),
			Remedy: "install an FFmpeg that can (Debian's can), or name one with --ffmpeg"})
	} else if err != nil {
		e.add(doctor.Finding{Area: "ffmpeg", Status: doctor.Fail, What: err.Error(),
			Remedy: "install FFmpeg 5.1 or later (Debian: apt-get install ffmpeg), or name one with --ffmpeg"})
		return nil
	} else {
		e.add(doctor.Finding{Area: "ffmpeg", Status: doctor.OK, What: fmt.Sprintf("%s at %s has what the cameras need", ffmpeg.Version,
			ffmpeg.Path), Figures: map[string]any{"version": ffmpeg.Version, "zscale": ffmpeg.Zscale}})
	}
	if len(hardware.Tries) > 0 {
		f := doctor.Finding{Area: "hwaccel", Of: "auto", Status: doctor.OK, What: "uses " + hardware.Use}
		if hardware.Use == "" {
			f.Status, f.What = doctor.Warn, "no hardware decodes here: cameras are decoded in software"
			f.Remedy = "edge-video check says what was tried; give the node's user the device (/dev/dri), or write hwaccel: none"
		}
		e.add(f)
	}
	for _, note := range namedHardware(ctx, e.config, ffmpeg) {
		e.add(doctor.Finding{Area: "hwaccel", Status: doctor.Warn, What: note,
			Remedy: "give the node's user the device, install its driver, or write hwaccel: auto"})
	}
	for _, cam := range e.config.Cameras {
		e.checks = append(e.checks, e.camera(ffmpeg, cam))
	}
	return context.Cause(ctx)
}

// camera chooses how to look at a camera: one that a node reads is left to it.
func (e *examination) camera(ffmpeg camera.FFmpeg, cam config.Camera) doctor.Check {
	status, known := e.cameras[schema.StatusKey(e.config.Site, cam.ID)]
	switch {
	case known && doctor.IsRead(status) && !e.command.Connect:
		return doctor.CameraOfNode(e.nc, e.config.Site, cam.ID, status)
	case (e.running || e.config.NATS.Cluster.Listen != "") && e.cameras == nil && !e.command.Connect:
		return doctor.CameraUnasked(cam.ID)
	}
	return doctor.Camera(ffmpeg, cameraConfig(e.config, cam))
}

// brokers looks at where bridges write.
func (e *examination) brokers() error {
	for _, b := range e.config.Bridges {
		if status, ok := e.bridges[schema.StatusKey(e.config.Site, b.Name)]; ok {
			e.add(doctor.BridgeOfNode(b.Name, status))
		}
		sink, err := newSink(e.config, aside(b), e.config.Site, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err != nil {
			return fmt.Errorf("bridge %s: %w", b.Name, err)
		}
		asked, ok := sink.(doctor.Sink)
		if !ok {
			continue
		}
		look := doctor.Broker{Bridge: b.Name, Where: destination(b), Sink: asked, Frame: e.largest(b), Declares: b.RabbitMQ != nil &&
			b.RabbitMQ.Declare}
		if b.MQTT != nil {
			look.Untold = "whether this user may publish there cannot be asked in MQTT"
		}
		e.checks = append(e.checks, doctor.Bridge(look))
	}
	return nil
}

// largest is a frame as large as any that a bridge may have to deliver.
func (e *examination) largest(b config.Bridge) *schema.Frame {
	f := &schema.Frame{Site: e.config.Site, Camera: "camera", Node: e.config.Node, Epoch: 1, Seq: 1, Captured: time.Now(),
		ContentType: schema.ContentJPEG, Width: 1, Height: 1}
	if len(e.config.Cameras) > 0 {
		f.Camera = e.config.Cameras[0].ID
	}
	size := maxFrame(e.config)
	if b.Source == config.SourceStored || b.Source == config.SourceEvents {
		size = 4 << 10 // text that tells of one
	}
	f.Data = make([]byte, size)
	return f
}
