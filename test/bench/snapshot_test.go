package bench_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/edge-video/edge-video/schema"
)

const (
	snapshotCameras = 20
	snapshotRate    = 100 // requests a second
	snapshotTime    = 10 * time.Second
)

// BenchmarkSnapshot is how long a camera's newest picture takes, at 100 requests a second over 20 cameras, by NATS over TCP and by HTTP: of
// cameras whose frames are JPEG, and of video that is stored as it comes, 640x360 at 10 fps, with a keyframe in two seconds. Each camera's
// first answer, which may take a start of FFmpeg, is apart. A picture of video is that of a keyframe, and so up to two seconds old when
// it is the newest.
func BenchmarkSnapshot(b *testing.B) {
	b.Run("jpeg", func(b *testing.B) {
		benchmarkSnapshot(b, func(int) string { return "url: 'lavfi:testsrc2=size=640x360:rate=2'" })
	})
	b.Run("copy", func(b *testing.B) {
		clip := filepath.Join(b.TempDir(), "clip.mp4")
		out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=10:duration=20",
			"-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-bf", "0", "-pix_fmt", "yuv420p", clip).CombinedOutput()
		if err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		benchmarkSnapshot(b, func(int) string { return "url: 'file:" + clip + "', mode: copy" })
	})
}

func benchmarkSnapshot(b *testing.B, camera func(int) string) {
	for b.Loop() {
		f := startFleet(b, snapshotCameras, camera)
		nc, err := nats.Connect(f.node.NATSURL())
		if err != nil {
			b.Fatal(err)
		}
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: snapshotCameras}}
		var first []time.Duration
		for i, way := range []struct {
			name string
			ask  snapshotAsk
		}{{"nats", overNATS(b, nc)}, {"http", overHTTP(client, f.node.URL())}} {
			if i == 0 {
				first = firstAnswers(b, way.ask)
				milliseconds(b, first[len(first)-1], "first-most-ms")
			}
			r := atRate(b, way.ask)
			b.ReportMetric(float64(r.refused)/float64(len(r.took)), way.name+"-refused")
			milliseconds(b, r.took[len(r.took)/2], way.name+"-p50-ms")
			milliseconds(b, r.took[len(r.took)*99/100], way.name+"-p99-ms")
			milliseconds(b, r.old[len(r.old)*99/100], way.name+"-old-p99-ms")
		}
		nc.Close()
		client.CloseIdleConnections()
		f.node.Stop()
		b.ReportMetric(0, "ns/op")
	}
}

func milliseconds(b *testing.B, d time.Duration, unit string) {
	b.ReportMetric(float64(d.Microseconds())/1000, unit)
}

// snapshotAsk gets one picture, and says when it was captured.
type snapshotAsk func(camera int) (captured string, err error)

func overNATS(b *testing.B, nc *nats.Conn) snapshotAsk {
	return func(camera int) (string, error) {
		m, err := nc.RequestWithContext(b.Context(), schema.SnapshotSubject("test", fmt.Sprint("cam-", camera)), nil)
		if err != nil {
			return "", err
		}
		if m.Header.Get(micro.ErrorCodeHeader) != "" {
			return "", fmt.Errorf("%s", m.Data)
		}
		return m.Header.Get(schema.HeaderCaptured), nil
	}
}

func overHTTP(client *http.Client, url string) snapshotAsk {
	return func(camera int) (string, error) {
		r, err := client.Get(fmt.Sprintf("%s/api/v1/cameras/cam-%d/snapshot.jpg", url, camera))
		if err != nil {
			return "", err
		}
		defer r.Body.Close()
		if _, err = io.Copy(io.Discard, r.Body); err == nil && r.StatusCode != http.StatusOK {
			err = fmt.Errorf("status %s", r.Status)
		}
		return r.Header.Get(schema.HeaderCaptured), err
	}
}

// firstAnswers asks each camera once, and returns how long that took, in order.
func firstAnswers(b *testing.B, ask snapshotAsk) []time.Duration {
	b.Helper()
	var took []time.Duration
	for camera := range snapshotCameras {
		began := time.Now()
		if _, err := ask(camera); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took
}

// answers are what came of many questions.
type answers struct {
	took    []time.Duration // how long they took, in order
	old     []time.Duration // how long before the answer its picture was captured, in order
	refused int
}

// atRate asks snapshotRate times a second, whether or not what was asked before has been answered.
func atRate(b *testing.B, ask snapshotAsk) (all answers) {
	b.Helper()
	var mu sync.Mutex
	var asking sync.WaitGroup
	tick := time.NewTicker(time.Second / snapshotRate)
	defer tick.Stop()
	for i := range int(snapshotTime.Seconds() * snapshotRate) {
		<-tick.C
		asking.Go(func() {
			began := time.Now()
			text, err := ask(i % snapshotCameras)
			mu.Lock()
			defer mu.Unlock()
			all.took = append(all.took, time.Since(began))
			captured, bad := time.Parse(time.RFC3339Nano, text)
			if err = errors.Join(err, bad); err == nil {
				all.old = append(all.old, time.Since(captured))
				return
			}
			if all.refused++; all.refused == 1 {
				b.Log(err)
			}
		})
	}
	asking.Wait()
	if len(all.old) == 0 {
		b.Fatal("no answer is a picture")
	}
	slices.Sort(all.took)
	slices.Sort(all.old)
	return all
}
