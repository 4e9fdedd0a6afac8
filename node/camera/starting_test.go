package camera

import (
	"context"
	"testing"

	"github.com/edge-video/edge-video/schema"
)

// states keeps the last state reported, and drops the rest.
type states struct{ last schema.CameraState }

func (s *states) Frame(*schema.Frame)                       {}
func (s *states) Rejected(int64, uint64, Rejection, string) {}
func (s *states) Looks(int64, uint64, Look)                 {}
func (s *states) State(st State)                            { s.last = st.State }

func TestReader_APictureQuickerThanTheReportOfTheStartLeavesTheCameraUp(t *testing.T) {
	t.Parallel()
	out := &states{}
	r := NewReader(testConfig("lavfi:testsrc2=size=64x64:rate=10", ModeJPEG), testFFmpeg(t), 0, func(context.Context) error { return nil }, out)
	r.looks = newLooks(t.Context(), r.ffmpeg, r.look)
	s := r.begin(t.Context())
	<-s.up
	r.expect(s)
	s.retire()
	r.looks.wait()
	if out.last != schema.CameraUp {
		t.Errorf("the camera is %s, want %s", out.last, schema.CameraUp)
	}
}
