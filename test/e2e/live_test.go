package e2e_test

import (
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edge-video/edge-video/test/harness"
)

// sight is one part of a live picture.
type sight struct {
	epoch, seq uint64
	age        time.Duration
}

// watch reads a live picture until the test ends or stop is called.
func watch(t *testing.T, url string) (seen func() []sight, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d: %v", resp.StatusCode, err)
	}
	var mu sync.Mutex
	var all []sight
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer resp.Body.Close()
		parts := multipart.NewReader(resp.Body, params["boundary"])
		for {
			p, err := parts.NextPart()
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, p); err != nil {
				return
			}
			var s sight
			s.epoch, _ = strconv.ParseUint(p.Header.Get("Frame-Epoch"), 10, 64)
			s.seq, _ = strconv.ParseUint(p.Header.Get("Frame-Seq"), 10, 64)
			captured, err := time.Parse(time.RFC3339Nano, p.Header.Get("Frame-Captured"))
			if err != nil {
				t.Error(err)
				return
			}
			s.age = time.Since(captured)
			mu.Lock()
			all = append(all, s)
			mu.Unlock()
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(stop)
	return func() []sight {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}, stop
}

// liveDecoders counts the node's FFmpegs that decode what is watched, without those that stand by for keyframes.
func liveDecoders(n *harness.Node) (count int) {
	for _, pid := range n.Children() {
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(string(args), "f=framecrc") && !strings.Contains(string(args), "select=") {
			count++
		}
	}
	return count
}

// TestTime_CopiedVideoIsShownAsItComes holds that all pictures of a copied camera are shown, in order and soon after their capture, to many
// viewers by one process; that the camera's restart is one break; and that nothing is left at work when all have left.
func TestTime_CopiedVideoIsShownAsItComes(t *testing.T) {
	codecs := []string{harness.CodecH264, harness.CodecH265}
	var cameras []*harness.RTSP
	var config []string
	for _, codec := range codecs {
		c := harness.StartRTSP(t, harness.RTSPOptions{Codec: codec, Width: 320, Height: 180, Kbps: 300})
		cameras = append(cameras, c)
		config = append(config, fmt.Sprintf("  - {id: %s, url: '%s', mode: copy}\n", codec, c.URL()))
	}
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines(config...)})
	path := func(codec string) string { return n.URL() + "/api/v1/cameras/" + codec }
	for _, codec := range codecs {
		harness.WaitFor(t, 30*time.Second, "pictures", func() bool { return n.Get("/api/v1/cameras/"+codec+"/snapshot.jpg") == http.StatusOK })
	}
	var seen []func() []sight
	var stops []func()
	for _, codec := range codecs {
		for _, width := range []string{"", "?width=160", "?width=160", ""} {
			s, stop := watch(t, path(codec)+"/live.mjpeg"+width)
			seen, stops = append(seen, s), append(stops, stop)
		}
	}
	for i, s := range seen {
		harness.WaitFor(t, 30*time.Second, fmt.Sprintf("pictures for viewer %d", i), func() bool { return len(s()) > 40 })
	}
	if n := liveDecoders(n); n != len(codecs) {
		t.Errorf("%d decoders, want %d", n, len(codecs))
	}
	for i, s := range seen {
		all := s()
		missing, late := 0, 0
		for k := range all[1:] {
			missing += int(all[k+1].seq - all[k].seq - 1)
			if all[k+1].seq <= all[k].seq {
				t.Errorf("viewer %d: picture %d after %d", i, all[k+1].seq, all[k].seq)
			}
			if all[k+1].age > time.Second {
				late++
			}
		}
		// The first is the keyframe that leads to what is live.
		t.Logf("viewer %d: %d pictures, %d missing, %d later than a second, the last %s old", i, len(all), missing, late, all[len(all)-1].age)
		if missing+late > len(all)/10 { // pictures are left out where showing them would be late
			t.Errorf("viewer %d: beside %d pictures %d are missing, and %d are late", i, len(all), missing, late)
		}
	}
	cameras[0].Stop()
	cameras[0].Start()
	before := seen[0]()[0].epoch
	harness.WaitFor(t, 40*time.Second, "pictures after the restart", func() bool {
		all := seen[0]()
		return all[len(all)-1].epoch > before
	})
	for _, stop := range stops {
		stop()
	}
	harness.WaitFor(t, 20*time.Second, "decoders to end", func() bool { return liveDecoders(n) == 0 })
}
