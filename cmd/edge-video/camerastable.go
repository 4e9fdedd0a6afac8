package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/edge-video/edge-video/schema"
)

// newCameraLine takes a key of the bucket and its value.
func newCameraLine(key string, status schema.CameraStatus) (cameraLine, error) {
	site, id, ok := strings.Cut(key, ".")
	if !ok || !schema.ValidSite(site) || !schema.ValidName(id) {
		return cameraLine{}, fmt.Errorf("bucket %s has the key %q, which is not <site>.<camera>", schema.BucketCameras, key)
	}
	return cameraLine{Site: site, Camera: id, CameraStatus: status}, nil
}

// take adds what the newest frame says, if there is one.
func (l *cameraLine) take(h head) {
	if h.Frame == nil {
		return
	}
	l.ContentType, l.Width, l.Height, l.Captured, l.Latency = h.ContentType, h.Width, h.Height, h.Captured, max(0,
		h.stored.Sub(h.Captured).Seconds())
}

func sortCameras(lines []cameraLine) {
	slices.SortFunc(lines, func(a, b cameraLine) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Camera, b.Camera)) })
}

// fault is what is wrong with a camera, in one line.
func (l *cameraLine) fault() string {
	switch {
	case l.Paused:
		return "paused"
	case l.Error != "":
		return strings.Join(strings.Fields(l.Error), " ")
	case l.Look != "":
		return "pictures are " + l.Look
	}
	return ""
}

// camerasTable is what the terminal shows.
type camerasTable struct {
	lines         []cameraLine
	err           error // in place of lines
	now           time.Time
	width, height int // of the terminal, 0 where there is none
}

func (t *camerasTable) text() []byte {
	if t.err != nil {
		return t.clip([]byte(t.err.Error() + "\n"))
	}
	var b bytes.Buffer
	up, paused := 0, ""
	for _, l := range t.lines {
		if l.State == schema.CameraUp {
			up++
		}
	}
	if n := t.paused(); n > 0 {
		paused = fmt.Sprintf(", %d paused,", n)
	}
	fmt.Fprintf(&b, "%d of %d cameras up%s at %s\n\n", up, len(t.lines), paused, t.now.Format("15:04:05"))
	shown, rest := t.fit()
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CAMERA\tSTATE\tSINCE\tFPS\tLATENCY\tSIZE\tEPOCH\tNODE\tFAULT")
	for _, l := range shown {
		size, latency := "-", "-"
		if l.Width > 0 {
			size = fmt.Sprintf("%dx%d", l.Width, l.Height)
			if l.State == schema.CameraUp {
				latency = time.Duration(l.Latency * float64(time.Second)).Round(time.Millisecond).String()
			}
		}
		fmt.Fprintf(w, "%s.%s\t%s\t%s\t%.1f\t%s\t%s\t%d\t%s\t%s\n", l.Site, l.Camera, l.State, max(0, t.now.Sub(l.Since)).Round(time.Second),
			l.FPS, latency, size, l.Epoch, l.Node, l.fault())
	}
	// A buffer takes everything.
	_ = w.Flush()
	if rest > 0 {
		fmt.Fprintf(&b, "and %d more\n", rest)
	}
	return t.clip(b.Bytes())
}

func (t *camerasTable) paused() (n int) {
	for _, l := range t.lines {
		n += btoi(l.Paused)
	}
	return n
}

// fit chooses what the window has room for: where that is not all, what is not up comes first.
func (t *camerasTable) fit() (shown []cameraLine, rest int) {
	room := t.height - 5 // the head, and a line for the cursor
	if t.height == 0 || len(t.lines) <= room {
		return t.lines, 0
	}
	shown = slices.Clone(t.lines)
	slices.SortStableFunc(shown, func(a, b cameraLine) int {
		return cmp.Compare(btoi(a.State == schema.CameraUp), btoi(b.State == schema.CameraUp))
	})
	room = max(room, 1)
	return shown[:room], len(shown) - room
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// clip cuts lines at the window's edge, and takes out what a terminal would obey.
func (t *camerasTable) clip(text []byte) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(string(text)) {
		line = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r == utf8.RuneError || r >= 0x80 && r < 0xa0 {
				return -1
			}
			return r
		}, line)
		if runes := []rune(line); t.width > 0 && len(runes) > t.width {
			line = string(runes[:t.width])
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.Bytes()
}
