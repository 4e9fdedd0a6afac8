package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestDiskFull_CaptureComesBackByItself fills the file system under the data directory, and empties it again.
func TestDiskFull_CaptureComesBackByItself(t *testing.T) {
	disk := smallDisk(t, "256m")
	cache := harness.StartRedis(t, harness.RedisOptions{})
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Dir: filepath.Join(disk, "data"), Cameras: lines(madeUp("cam-1")),
		Bridges: lines(cacheBridge(cache.URL())), More: "stream: {max_bytes: 64MiB}\n"})
	js := n.JetStream()
	harness.WaitFor(t, 30*time.Second, "frames", func() bool { return storedCount(t, js, "*") > 20 })
	before := stored(t, js)

	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	harness.WaitFor(t, 60*time.Second, "readiness to say that the stream cannot be written", func() bool {
		r := n.Readyz()
		return r.Status == 503 && strings.Contains(strings.Join(r.Reasons, "\n"), "cannot be written")
	})
	if out := n.Output(); !strings.Contains(out, "free space on the disk of data_dir") {
		t.Errorf("the log has no clear error:\n%s", out)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	emptied := time.Now()
	count := func() int { return storedCount(t, js, "cam-1") }
	base := -1
	harness.WaitFor(t, 30*time.Second, "capture to be back", func() bool {
		if n.Readyz().Status != 200 {
			return false
		}
		if base < 0 {
			base = count()
		}
		return base > 0 && count() > base+10
	})
	t.Logf("back %v after the disk was emptied", time.Since(emptied).Round(100*time.Millisecond))

	after := stored(t, js)
	held := map[string]bool{}
	for _, f := range after {
		held[f.ID()] = true
	}
	for _, f := range before {
		if !held[f.ID()] {
			t.Errorf("frame %s was stored before the disk was full, and is gone", f.ID())
		}
	}
	checkPictures(t, after)
	// What is missing between has been said so.
	missing := uint64(0)
	for i := 1; i < len(after); i++ {
		if a, b := after[i-1], after[i]; a.Epoch == b.Epoch && b.Seq > a.Seq {
			missing += b.Seq - a.Seq - 1
		}
	}
	harness.WaitFor(t, 20*time.Second, "events that account for what is missing", func() bool {
		said := uint64(0)
		for _, e := range events(t, js, schema.ClassCamera, "cam-1", schema.KindGap) {
			said += e.Count
		}
		return said >= missing
	})
	waitPassed(t, js, 30*time.Second, "cache")
	checkArrivals(t, "Redis", after, inRedis(t, cache.Client()))
}

// smallDisk mounts a file system of the given size.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mounting a small file system (this test needs root): %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("unmounting: %v\n%s", err, out)
		}
	})
	return dir
}

// fill writes a file until the disk takes no more.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4 << 10} {
		for err == nil {
			_, err = f.Write(make([]byte, size))
		}
		err = nil
	}
}
