package bench_test

import (
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
// cameras whose frames are JPEG, and of video that is stored as it comes, 640x360 at 10 fps, with a keyframe in two seconds.
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
		for name, ask := range map[string]func(i int) error{
			"nats": func(i int) error {
				m, err := nc.RequestWithContext(b.Context(), schema.SnapshotSubject("test", fmt.Sprint("cam-", i%snapshotCameras)), nil)
				if err == nil && m.Header.Get(micro.ErrorCodeHeader) != "" {
					err = fmt.Errorf("%s", m.Data)
				}
				return err
			},
			"http": func(i int) error {
				r, err := client.Get(fmt.Sprintf("%s/api/v1/cameras/cam-%d/snapshot.jpg", f.node.URL(), i%snapshotCameras))
				if err != nil {
					return err
				}
				defer r.Body.Close()
				if _, err = io.Copy(io.Discard, r.Body); err == nil && r.StatusCode != http.StatusOK {
					err = fmt.Errorf("status %s", r.Status)
				}
				return err
			},
		} {
			took, refused := atRate(b, ask)
			b.ReportMetric(float64(refused)/float64(len(took)), name+"-refused")
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, name+"-p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, name+"-p99-ms")
		}
		nc.Close()
		client.CloseIdleConnections()
		f.node.Stop()
		b.ReportMetric(0, "ns/op")
	}
}

// atRate asks snapshotRate times a second, whether or not what was asked before has been answered, and returns how long answers took, in
// order, and how many were none.
func atRate(b *testing.B, ask func(i int) error) (took []time.Duration, refused int) {
	b.Helper()
	var mu sync.Mutex
	var asking sync.WaitGroup
	tick := time.NewTicker(time.Second / snapshotRate)
	defer tick.Stop()
	for i := range int(snapshotTime.Seconds() * snapshotRate) {
		<-tick.C
		asking.Go(func() {
			began := time.Now()
			err := ask(i)
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(began))
			if err == nil {
				return
			}
			if refused++; refused == 1 {
				b.Log(err)
			}
		})
	}
	asking.Wait()
	slices.Sort(took)
	return took, refused
}
