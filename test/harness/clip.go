package harness

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// MediaEnv names the environment variable with a folder of real footage; see [MakeClip].
const MediaEnv = "EDGE_VIDEO_MEDIA"

// MakeClip returns an H.264 file like a fixed camera's: 1280x720, 30 fps, about 3 Mb/s, a keyframe in two seconds, sensor noise.
// It is made from car-detection.mp4 in the folder that [MediaEnv] names, else from a test picture, and kept in the temporary folder
// for the next run.
func MakeClip(t testing.TB, length time.Duration) string {
	t.Helper()
	input := []string{"-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30"}
	if real := filepath.Join(os.Getenv(MediaEnv), "car-detection.mp4"); os.Getenv(MediaEnv) != "" && isFile(real) {
		input = []string{"-stream_loop", "-1", "-i", real}
	}
	args := append(input, "-t", fmt.Sprint(length.Seconds()), "-an",
		"-vf", "scale=1280:720,fps=30,noise=alls=6:allf=t",
		"-c:v", "libx264", "-preset", "medium", "-profile:v", "main", "-pix_fmt", "yuv420p", "-bf", "0", "-g", "60", "-sc_threshold", "0",
		"-b:v", "3M", "-maxrate", "4M", "-bufsize", "4M", "-f", "mp4")
	sum := sha256.Sum256([]byte(strings.Join(args, "\x00")))
	clip := filepath.Join(os.TempDir(), "edge-video-clip-"+hex.EncodeToString(sum[:8])+".mp4")
	if isFile(clip) {
		return clip
	}
	// another test may be making the same one: each writes its own and renames it
	made := filepath.Join(t.TempDir(), "clip.mp4")
	runFFmpeg(t, append(args, made)...)
	b, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	part := fmt.Sprintf("%s.%d", clip, os.Getpid())
	if err := os.WriteFile(part, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(part, clip); err != nil {
		t.Fatal(err)
	}
	return clip
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
