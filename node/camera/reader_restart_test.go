package camera_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestReader_ForcedRestartsLeaveNothingBehind kills the FFmpeg of a hundred cameras twice each, and counts. It does not run beside
// others, whose descriptors and goroutines would be counted too.
func TestReader_ForcedRestartsLeaveNothingBehind(t *testing.T) {
	const cameras, kills = 100, 2
	ffmpeg := camera.FFmpeg{Path: script(t, "cat a.nut; exec sleep 1000", map[string][]byte{"a.nut": recorded(t, 3)})}
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors(t)

	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	records := make([]*record, cameras)
	readers := make([]*camera.Reader, cameras)
	for i := range cameras {
		c := config("rtsp://127.0.0.1:1/none", camera.ModeJPEG)
		c.ID = fmt.Sprint("cam-", i)
		records[i] = &record{}
		readers[i] = camera.NewReader(c, ffmpeg, 0, func(ctx context.Context) error { return ctx.Err() }, records[i])
		running.Go(func() {
			if err := readers[i].Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	var pids []int
	for round := 1; round <= kills+1; round++ {
		for i, r := range readers {
			harness.WaitFor(t, 30*time.Second, "a camera to be up", func() bool { return len(records[i].all(schema.CameraUp)) == round })
			pids = append(pids, r.PID())
		}
		if round <= kills {
			for _, pid := range pids[len(pids)-cameras:] {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Error(err)
				}
			}
		}
	}
	cancel()
	running.Wait()

	for i, r := range records {
		if n := len(r.all(schema.CameraBackoff)); n != kills || len(r.framesNow()) != 3*(kills+1) {
			t.Errorf("camera %d: %d restarts, %d frames", i, n, len(r.framesNow()))
		}
	}
	for _, pid := range pids {
		// what the killed script had started itself is another's to wait for, and stays a zombie until then
		if err := syscall.Kill(-pid, 0); !errors.Is(err, syscall.ESRCH) && len(inGroup(t, pid)) > 0 {
			t.Errorf("something of process group %d is left: %v, %v", pid, err, inGroup(t, pid))
		}
	}
	if z := zombies(t); len(z) > 0 {
		t.Errorf("zombies: %v", z)
	}
	harness.WaitFor(t, 10*time.Second, "goroutines and descriptors to be as before", func() bool {
		return runtime.NumGoroutine() <= goroutines && openDescriptors(t) <= descriptors
	})
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// zombies are this process's children that have ended and were not waited for.
func zombies(t *testing.T) (found []string) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended meanwhile
		}
		if fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])); fields[0] == "Z" && fields[1] == strconv.Itoa(os.Getpid()) {
			found = append(found, string(b))
		}
	}
	return found
}
