package camera

import (
	"errors"
	"strings"
	"testing"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestIdentify_KnowsEveryPictureThatIsStored asks about each access unit of each kind of stream.
func TestIdentify_KnowsEveryPictureThatIsStored(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a.mp4", "a.ts"} {
		for want, options := range map[string][]string{schema.ContentH264: x264, schema.ContentH265: x265} {
			t.Run(name+" "+want, func(t *testing.T) {
				_, units, keys := videoOf(t, encoded(t, name, "testsrc2=size=320x242:rate=10:duration=1", options...))
				for i, unit := range units {
					p, err := Identify(unit)
					if err != nil || p.ContentType != want || p.Keyframe != keys[i] || keys[i] && (p.Width != 320 || p.Height != 242) {
						t.Errorf("unit %d, keyframe %v, is %+v, %v", i, keys[i], p, err)
					}
				}
			})
		}
	}
	if p, err := Identify(harness.GenerateJPEG(t, 37, 21, 60, 1)); err != nil || p != (Picture{ContentType: schema.ContentJPEG, Width: 37, Height: 21}) {
		t.Errorf("a JPEG is %+v, %v", p, err)
	}
}

func TestIdentify_TornIsToldFromForeign(t *testing.T) {
	t.Parallel()
	jpeg := harness.GenerateJPEG(t, 37, 21, 60, 1)
	for name, c := range map[string]struct {
		body []byte
		want error
	}{
		"cut JPEG":   {jpeg[:len(jpeg)/2], errTorn},
		"no start":   {append([]byte{7}, 0, 0, 1, 0x65, 0x88), errTorn},
		"nothing":    {nil, ErrNoPicture},
		"text":       {[]byte("hello"), ErrNoPicture},
		"parameters": {[]byte{0, 0, 1, 0x67, 0x42, 0, 0x1E}, ErrNoPicture},
		"zeros":      {[]byte(strings.Repeat("\x00", 100)), ErrNoPicture},
	} {
		if _, err := Identify(c.body); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzIdentify(f *testing.F) {
	f.Add(harness.GenerateJPEG(f, 37, 21, 60, 1))
	for _, options := range [][]string{x264, x265} {
		_, units, _ := videoOf(f, encoded(f, "a.ts", "testsrc2=size=66x50:duration=0.1", options...))
		f.Add(units[0])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := Identify(body)
		if (p.ContentType == "") != errors.Is(err, ErrNoPicture) {
			t.Errorf("%+v, %v", p, err)
		}
	})
}
