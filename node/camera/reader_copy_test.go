package camera_test

import (
	"bytes"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestReader_CopyOfAnRTSPCameraDecodesFromEveryKeyframe stores a while of a camera of each codec as it sends it. A stock decoder that is
// given the bodies from any keyframe on, and nothing else, has nothing to complain of and gives every picture.
func TestReader_CopyOfAnRTSPCameraDecodesFromEveryKeyframe(t *testing.T) {
	t.Parallel()
	for codec, want := range map[string]struct{ content, format string }{
		harness.CodecH264:  {schema.ContentH264, "h264"},
		harness.CodecH265:  {schema.ContentH265, "hevc"},
		harness.CodecMJPEG: {schema.ContentJPEG, "mjpeg"},
	} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			rtsp := harness.StartRTSP(t, harness.RTSPOptions{Codec: codec, Width: 320, Height: 240, GOP: 5})
			r := start(t, config(rtsp.URL(), camera.ModeCopy), "")
			r.waitFrames(25, 40*time.Second)
			r.stop()
			frames := r.framesNow()
			beginnings := 0
			for i, f := range frames {
				if f.ContentType != want.content || f.Width != 320 || f.Height != 240 || !f.HasPTS {
					t.Fatalf("seq %d is %s, %dx%d, PTS %v", f.Seq, f.ContentType, f.Width, f.Height, f.HasPTS)
				}
				if f.Keyframe || f.ContentType == schema.ContentJPEG && i%5 == 0 {
					beginnings++
					checkPictures(t, want.format, frames[i:])
				}
			}
			if !frames[0].Keyframe && want.content != schema.ContentJPEG || beginnings < 3 {
				t.Errorf("%d beginnings, the first frame is a keyframe: %v", beginnings, frames[0].Keyframe)
			}
		})
	}
}

// checkPictures lets a stock decoder read the bodies of frames and nothing else.
func checkPictures(t *testing.T, format string, frames []*schema.Frame) {
	t.Helper()
	var in bytes.Buffer
	for _, f := range frames {
		in.Write(f.Data)
	}
	cmd := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-f", format, "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", "-")
	cmd.Stdin = &in
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Errorf("from seq %d: %v\n%s", frames[0].Seq, err, errs.String())
	}
	if got := strings.TrimSpace(string(out)); got != strconv.Itoa(len(frames)) {
		t.Errorf("from seq %d: %s pictures decoded of %d frames", frames[0].Seq, got, len(frames))
	}
}

// TestReader_CopyTouchesNoByteOfAJPEG compares what an MJPEG camera sent with what is stored.
func TestReader_CopyTouchesNoByteOfAJPEG(t *testing.T) {
	t.Parallel()
	picture := func(n int) []byte { return harness.JPEGOfSize(t, 160, 120, 6000+100*(n%30), n) }
	url := live(t, "", "", func(w http.ResponseWriter, r *http.Request, _ int) { pictures(w, r, picture) })
	r := start(t, config(url, camera.ModeCopy), "")
	frames := r.waitFrames(20, 30*time.Second)
	checkFrames(t, frames)
	at := 0
	for i, f := range frames {
		for ; at < 1000 && !bytes.Equal(picture(at), f.Data); at++ {
		}
		if at == 1000 {
			t.Fatalf("frame %d is none of the pictures that were sent", i+1)
		}
	}
}
