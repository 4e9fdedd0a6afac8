package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/camera"
)

type checkCommand struct {
	Config string `required:"" placeholder:"FILE" help:"Configuration file."`
	FFmpeg string `name:"ffmpeg" default:"ffmpeg" placeholder:"PATH" help:"The ffmpeg to ask; by default the one on PATH."`
}

// Run prints the effective configuration and what follows from it. It starts nothing and creates nothing.
func (k *checkCommand) Run(ctx context.Context, c console) error {
	cfg, warnings, err := config.Load(k.Config, os.LookupEnv)
	if err != nil {
		return err
	}
	if err := checkDisk(cfg); err != nil {
		return err
	}
	effective, err := cfg.YAML()
	if err != nil {
		return fmt.Errorf("printing the configuration: %w", err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Effective configuration\n%s", effective)
	ffmpeg, hardware, err := findFFmpeg(ctx, cfg, k.FFmpeg)
	var invalid *config.Error
	if errors.As(err, &invalid) {
		return err
	}
	notes := make([]string, 0, len(warnings))
	for _, w := range warnings {
		notes = append(notes, w.String())
	}
	if err != nil && len(cfg.Cameras) > 0 {
		notes = append(notes, err.Error())
		ffmpeg = camera.FFmpeg{Path: "ffmpeg", Zscale: true}
	}
	if len(cfg.Cameras) > 0 {
		fmt.Fprintf(&b, "\n# FFmpeg %s\n", ffmpeg.Version)
		writeCommands(&b, cfg, ffmpeg)
		writeHardware(&b, hardware)
		if err == nil {
			notes = append(notes, namedHardware(ctx, cfg, ffmpeg)...)
		}
		writeHorizon(&b, cfg)
	}
	writeBridges(&b, cfg)
	writeContext(&b, cfg)
	if disk, err := node.DiskOf(cfg.DataDir); err == nil && disk.Free < int64(cfg.Stream.MaxBytes) {
		notes = append(notes, fmt.Sprintf("stream.max_bytes %s is more than the %s free on the disk of data_dir now", cfg.Stream.MaxBytes, about(disk.Free)))
	}
	for _, n := range notes {
		fmt.Fprintf(&b, "\nwarning: %s", n)
	}
	fmt.Fprintf(&b, "\n%s is valid\n", k.Config)
	_, err = c.out.Write(b.Bytes())
	return err
}

// checkDisk refuses a stream that the disk could never hold.
func checkDisk(c *config.Config) error {
	disk, err := node.DiskOf(c.DataDir)
	if err != nil {
		return err
	}
	if most := disk.Total - disk.Floor; int64(c.Stream.MaxBytes) > most {
		return c.Problem("stream.max_bytes", fmt.Sprintf("%s is beyond the disk of data_dir, which has %s", c.Stream.MaxBytes, about(disk.Total)),
			fmt.Sprintf("write at most %dMiB", most>>20))
	}
	return nil
}

func writeCommands(b *bytes.Buffer, cfg *config.Config, ffmpeg camera.FFmpeg) {
	for _, cam := range cfg.Cameras {
		args, stdin := camera.Args(cameraConfig(cfg, cam), ffmpeg)
		fmt.Fprintf(b, "# camera %s\n%s", cam.ID, ffmpeg.Path)
		for _, a := range args {
			if strings.Contains(a, "://") {
				a = config.URL(a).String()
			}
			b.WriteString(" " + shellQuote(a))
		}
		if stdin != "" {
			b.WriteString("  # the camera's address, with its credentials, goes to standard input")
		}
		b.WriteString("\n")
	}
}

// writeBridges says where each bridge's frames go, and which processes bring them there.
func writeBridges(b *bytes.Buffer, cfg *config.Config) {
	for i, br := range cfg.Bridges {
		if i == 0 {
			b.WriteString("\n# Bridges\n")
		}
		by := "the node"
		switch {
		case !br.InNode:
			by = "edge-video bridge alone"
		case br.Apart():
			by = "the node and edge-video bridge"
		}
		fmt.Fprintf(b, "%s: %sto %s; by %s, workers: %s\n", br.Name, brought(br), destination(br), by, br.Workers)
	}
}

// writeContext says how to look inside the running node, where clients can reach it.
func writeContext(b *bytes.Buffer, cfg *config.Config) {
	dir, err := filepath.Abs(cfg.DataDir)
	if err != nil || cfg.NATS.Listen == "" && cfg.NATS.Config == "" {
		return
	}
	fmt.Fprintf(b, "\n# nats CLI, once the node runs, for whoever may read data_dir\nnats --context %s stream report\n", shellQuote(node.ContextFile(dir)))
}

// brought is what a bridge delivers in place of pictures, for people.
func brought(b config.Bridge) string {
	switch b.Source {
	case config.SourceStored:
		return fmt.Sprintf("%s of what %s keeps, ", b.RabbitMQ.Body, b.Of)
	case config.SourceEvents:
		return "states of cameras, "
	}
	return ""
}

// destination is where a bridge's frames go, for people.
func destination(b config.Bridge) string {
	switch {
	case b.RabbitMQ != nil:
		return fmt.Sprintf("RabbitMQ %s, exchange %s, routing key %s", b.RabbitMQ, b.RabbitMQ.Exchange, fill(b.RabbitMQ.RoutingKey, b.RabbitMQ.Constants()))
	case b.Redis != nil:
		return fmt.Sprintf("Redis %s, key %s, for %s", b.Redis, fill(b.Redis.Key, b.Redis.Constants()), b.Redis.TTL)
	}
	return fmt.Sprintf("MQTT %s, topic %s", b.MQTT, fill(b.MQTT.Topic, b.MQTT.Constants()))
}

// writeHardware says what "hwaccel: auto" comes to here, where a camera asks for it.
func writeHardware(b *bytes.Buffer, h camera.Hardware) {
	if len(h.Tries) == 0 {
		return
	}
	b.WriteString("\n# Hardware decoding\n")
	for _, t := range h.Tries {
		if t.Err != nil {
			fmt.Fprintf(b, "%s: %s\n", t.Accelerator, t.Err)
		} else {
			fmt.Fprintf(b, "%s: works\n", t.Accelerator)
		}
	}
	fmt.Fprintf(b, "hwaccel auto uses %s.\n", cmp.Or(h.Use, "software"))
}

// namedHardware tries every accelerator that a camera names, and returns a warning for each that does not work here.
func namedHardware(ctx context.Context, cfg *config.Config, ffmpeg camera.FFmpeg) (notes []string) {
	tried := map[string]error{}
	for i, cam := range cfg.Cameras {
		name := cam.HWAccel
		if name == "auto" || name == "none" || !wantsHardware(cam, name) {
			continue
		}
		if _, ok := tried[name]; !ok {
			tried[name] = ffmpeg.TryHardware(ctx, name)
		}
		if err := tried[name]; err != nil {
			notes = append(notes, fmt.Sprintf("cameras[%d].hwaccel: %s does not work here, camera %s would be decoded in software: %s", i, name, cam.ID, err))
		}
	}
	return notes
}

// shellQuote writes an argument so that a shell reads it as one.
func shellQuote(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+", r))
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Assumptions behind the estimated rate of a camera that is not running: its size where the configuration leaves that to the camera,
// bits a pixel of JPEG at quality 1 (a street scene at quality 5 takes about half a bit), the rate of a stream that is copied, and the
// time between keyframes.
const (
	assumedPixels      = 1280 * 720
	assumedJPEGBits    = 2.5
	assumedCopyBytes   = 3_000_000 / 8
	assumedKeyInterval = 2 * time.Second
)

// estimate is a camera's bytes a second by its configuration.
func estimate(cam config.Camera) float64 {
	pixels := float64(assumedPixels)
	if cam.Width > 0 {
		pixels = float64(cam.Width) * float64(cam.Width) * 9 / 16
	}
	picture := pixels * assumedJPEGBits / float64(cam.Quality) / 8
	switch camera.Mode(cam.Mode) {
	case camera.ModeCopy:
		return assumedCopyBytes
	case camera.ModeKeyframes:
		return picture / assumedKeyInterval.Seconds()
	}
	return picture * cam.FPS
}

func writeHorizon(b *bytes.Buffer, cfg *config.Config) {
	total := 0.0
	for _, cam := range cfg.Cameras {
		total += estimate(cam)
	}
	h := node.Horizon(cfg.Stream.MaxAge, int64(cfg.Stream.MaxBytes), total)
	limit := fmt.Sprintf("max_bytes %s is full", cfg.Stream.MaxBytes)
	if h >= cfg.Stream.MaxAge {
		limit = fmt.Sprintf("max_age %s is reached", cfg.Stream.MaxAge)
	}
	fmt.Fprintf(b, "\n# Horizon\nAn outage of %s fits in the stream, then %s.\nEstimated from %s/s over %d cameras (1280x720 and 3 Mb/s where the camera decides); a running node shows the true figure.\n",
		h.Round(time.Second), limit, about(int64(total)), len(cfg.Cameras))
}

// about writes an amount of bytes for people.
func about(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
