package harness_test

import (
	"encoding/json"
	"os/exec"
	"testing"
	"time"

	"github.com/edge-video/edge-video/test/harness"
)

func TestPlayer_PlaysAWholeClipToEachClient(t *testing.T) {
	t.Parallel()
	p := harness.StartPlayer(t, harness.MakeClip(t, time.Second), 30)
	out, err := exec.Command("ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-read_intervals", "%+#75", "-show_entries", "frame=pts_time",
		"-of", "json", p.URL(1)).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe: %v\n%s", err, out)
	}
	var got struct {
		Frames []struct {
			Time float64 `json:"pts_time,string"`
		}
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v\n%s", err, out) // with what the decoder complained of
	}
	if len(got.Frames) < 45 {
		t.Fatalf("%d pictures decoded, want 45", len(got.Frames))
	}
	for i, f := range got.Frames {
		if want := got.Frames[0].Time + float64(i)/30; f.Time < want-0.001 || f.Time > want+0.001 {
			t.Errorf("picture %d at %v s, want %v", i, f.Time, want)
		}
	}
}
