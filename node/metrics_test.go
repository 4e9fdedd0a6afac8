package node_test

import (
	"testing"
	"time"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/test/harness"
)

// TestFleet_MetricsTellWhatCamerasSendAndCost looks at a camera that delivers, and at what is left when it is removed.
func TestFleet_MetricsTellWhatCamerasSendAndCost(t *testing.T) {
	s, _ := startServer(t, serverConfig(t))
	f, reg, _ := runFleet(t, s, lavfi("cam", testPicture))
	waitUp(t, f, 1)
	var all map[string]float64
	look := func() map[string]float64 {
		all = gathered(t, reg, "camera_id", "reason")
		return all
	}
	harness.WaitFor(t, 30*time.Second, "frames", func() bool { return look()["edge_video_frames_processed_total cam"] > 5 })
	last := time.UnixMicro(int64(all["edge_video_camera_last_frame_timestamp_seconds cam"] * 1e6))
	if age := time.Since(last); age < 0 || age > 10*time.Second {
		t.Errorf("the last frame was captured %v ago", age)
	}
	if clock := all["edge_video_clock_timestamp_seconds"]; time.Since(time.UnixMicro(int64(clock*1e6))).Abs() > 10*time.Second {
		t.Errorf("the clock is %f", clock)
	}
	for _, name := range []string{"edge_video_ffmpeg_resident_memory_bytes cam", "edge_video_ffmpeg_cpu_seconds_total cam", "edge_video_children_resident_memory_bytes",
		"edge_video_children_cpu_seconds_total", "edge_video_disk_free_bytes", "edge_video_disk_size_bytes", "edge_video_disk_floor_bytes"} {
		if all[name] <= 0 {
			t.Errorf("%s is %v", name, all[name])
		}
	}
	for _, name := range []string{"edge_video_queue_frames cam", "edge_video_queue_bytes cam", "edge_video_camera_restarts_total cam stall"} {
		if v, ok := all[name]; !ok || v < 0 {
			t.Errorf("%s is %v, %v", name, v, ok)
		}
	}
	if n := all["edge_video_ffmpeg_processes"]; n != 1 {
		t.Errorf("%v FFmpeg processes run", n)
	}
	spent := all["edge_video_children_cpu_seconds_total"]
	if err := f.Update(t.Context(), node.FleetConfig{StartsPerSecond: 20}, ffmpeg(t)); err != nil {
		t.Fatal(err)
	}
	if n := withLabel(t, reg, "camera_id", "cam"); n > 0 {
		t.Errorf("%d metrics are left of the camera", n)
	}
	if look()["edge_video_ffmpeg_processes"] != 0 || all["edge_video_children_cpu_seconds_total"] < spent {
		t.Errorf("%v processes are left, and %v of %v s of CPU time", all["edge_video_ffmpeg_processes"], all["edge_video_children_cpu_seconds_total"], spent)
	}
}
