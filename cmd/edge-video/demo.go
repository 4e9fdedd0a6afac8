package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/node"
)

type demoCommand struct {
	NATS   string        `name:"nats" default:"127.0.0.1:4222" placeholder:"HOST:PORT" help:"Where the embedded NATS server listens."`
	HTTP   string        `name:"http" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where the page, the API, metrics and health are served."`
	Data   string        `placeholder:"DIR" help:"Where frames are stored; by default a folder that is removed at the end."`
	FFmpeg string        `name:"ffmpeg" default:"ffmpeg" placeholder:"PATH" help:"The ffmpeg to use; by default the one on PATH."`
	For    time.Duration `placeholder:"TIME" help:"End by itself after this time."`
}

// demoPeriod is how often the demo prints rates.
const demoPeriod = 6 * time.Second

// Run shows the main job at work until it is interrupted.
func (d *demoCommand) Run(ctx context.Context, c console) (err error) {
	if d.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.For)
		defer cancel()
	}
	if d.Data == "" {
		if d.Data, err = os.MkdirTemp("", "edge-video-demo-"); err != nil {
			return fmt.Errorf("making a folder for the demo: %w", err)
		}
		defer os.RemoveAll(d.Data)
	}
	cfg, err := d.config()
	if err != nil {
		return err
	}
	a, err := newApp(ctx, cfg, d.FFmpeg, newLog(c.err, cfg.Log))
	if err != nil {
		return err
	}
	d.explain(c.out, cfg)
	reporting, stop := context.WithCancel(ctx)
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		a.printRates(reporting, c.out)
	}()
	err = a.run(ctx, nil)
	stop()
	<-reported
	return err
}

// config is four made-up cameras that show a running clock, and a bridge for each broker that the environment names.
func (d *demoCommand) config() (*config.Config, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "site: demo\ndata_dir: %q\nnats: {listen: %q}\nhttp: {listen: %q}\nlog: {level: warn}\nstream: {max_age: 1h, max_bytes: 1GiB}\ncameras:\n",
		d.Data, freeAddress(d.NATS), freeAddress(d.HTTP))
	for i, source := range []string{
		"testsrc=size=640x360:rate=10:decimals=2",
		"testsrc2=size=1280x720:rate=10",
		"testsrc=size=640x480:rate=10:decimals=2,hue=h=120",
		"testsrc2=size=854x480:rate=10,hue=h=240",
	} {
		fmt.Fprintf(&b, "  - {id: cam-%d, url: %q}\n", i+1, "lavfi:"+source)
	}
	b.WriteString("bridges:\n")
	bridges := 0
	for _, br := range [][3]string{{"RABBITMQ_URL", "broker", "rabbitmq"}, {"REDIS_URL", "cache", "redis"}, {"MQTT_URL", "topics", "mqtt"}} {
		if os.Getenv(br[0]) != "" {
			fmt.Fprintf(&b, "  - {name: %s, %s: {url: \"${%s}\"}}\n", br[1], br[2], br[0])
			bridges++
		}
	}
	if bridges == 0 {
		b.WriteString("  []\n")
	}
	cfg, _, err := config.Parse("demo", []byte(b.String()), os.LookupEnv)
	return cfg, err
}

// freeAddress is the address, or one with a free port where that one is taken.
func freeAddress(address string) string {
	l, err := net.Listen("tcp", address)
	if err == nil {
		// It is only asked whether the port is free.
		_ = l.Close()
		return address
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if l, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
		return address
	}
	defer l.Close()
	return l.Addr().String()
}

func (d *demoCommand) explain(w io.Writer, cfg *config.Config) {
	fmt.Fprintf(w, `edge-video demo: four made-up cameras, each read by one FFmpeg, every picture stored in the embedded JetStream.

  see the cameras             http://%[2]s/
  the nats CLI finds it by    export NATS_CONTEXT=%[1]s
  look at what is stored      nats stream info FRAMES
  frames as they come         nats sub 'frames.demo.>' --headers-only
  one picture into a file     nats stream get FRAMES -S frames.demo.cam-1 --json | jq -r .data | base64 -d > cam-1.jpg
  state of the cameras        nats kv watch cameras
  what happened               nats stream view EVENTS
  readiness, metrics          curl http://%[2]s/readyz   curl http://%[2]s/metrics

`, node.ContextFile(cfg.DataDir), cfg.HTTP.Listen)
	for _, b := range cfg.Bridges {
		fmt.Fprintf(w, "bridge %s: to %s\n", b.Name, destination(b))
	}
	if len(cfg.Bridges) == 0 {
		fmt.Fprintln(w, "no bridges: set RABBITMQ_URL, REDIS_URL or MQTT_URL to see frames arrive there too")
	}
	fmt.Fprintln(w, "\nStop with Ctrl-C. Rates:")
}

// printRates prints a table of cameras and bridges every few seconds until ctx ends.
func (a *app) printRates(ctx context.Context, w io.Writer) {
	tick := time.NewTicker(demoPeriod)
	defer tick.Stop()
	began := time.Now()
	last := map[string]uint64{}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			fmt.Fprintf(t, "%s\n", now.Sub(began).Round(time.Second))
			cameras := a.fleet.Cameras()
			for _, id := range slices.Sorted(maps.Keys(cameras)) {
				c := cameras[id]
				fmt.Fprintf(t, "  camera %s\t%s\t%.1f frames/s stored\tlast %d.%d\t%s\n", id, c.State, c.FPS, c.Epoch, c.LastSeq, c.Error)
			}
			for _, b := range a.bridges.list() {
				h := b.worker.Health()
				rate := float64(h.Delivered-last[h.Name]) / demoPeriod.Seconds()
				last[h.Name] = h.Delivered
				fault := ""
				if h.Err != nil {
					fault = h.Err.Error()
				}
				fmt.Fprintf(t, "  bridge %s\t%s\t%.1f frames/s confirmed\t%d wait\t%s\n", h.Name, h.State, rate, h.Pending, fault)
			}
			// There is nobody to tell when standard output is gone.
			_ = t.Flush()
		}
	}
}
