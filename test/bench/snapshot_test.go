package bench_test

import (
	"fmt"
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

// BenchmarkSnapshot is how long a camera's newest picture takes, at 100 requests a second over 20 cameras, by NATS over TCP.
func BenchmarkSnapshot(b *testing.B) {
	for b.Loop() {
		f := startFleet(b, snapshotCameras, func(int) string { return "url: 'lavfi:testsrc2=size=640x360:rate=2'" })
		nc, err := nats.Connect(f.node.NATSURL())
		if err != nil {
			b.Fatal(err)
		}
		took := atRate(b, func(i int) error {
			m, err := nc.RequestWithContext(b.Context(), schema.SnapshotSubject("test", fmt.Sprint("cam-", i%snapshotCameras)), nil)
			if err == nil && m.Header.Get(micro.ErrorCodeHeader) != "" {
				err = fmt.Errorf("%s", m.Data)
			}
			return err
		})
		nc.Close()
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "nats-p50-ms")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "nats-p99-ms")
		b.ReportMetric(0, "ns/op")
	}
}

// atRate asks snapshotRate times a second, whether or not what was asked before has been answered, and returns how long answers took, in order.
func atRate(b *testing.B, ask func(i int) error) (took []time.Duration) {
	b.Helper()
	var mu sync.Mutex
	var asking sync.WaitGroup
	tick := time.NewTicker(time.Second / snapshotRate)
	defer tick.Stop()
	for i := range int(snapshotTime.Seconds() * snapshotRate) {
		<-tick.C
		asking.Go(func() {
			began := time.Now()
			if err := ask(i); err != nil {
				b.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(began))
		})
	}
	asking.Wait()
	slices.Sort(took)
	return took
}
