package config_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func TestSize_ReadsUnitsAndRoundTrips(t *testing.T) {
	for _, c := range []struct {
		text string
		want config.Size
		back string
	}{
		{"10GiB", 10 << 30, "10GiB"}, {"4MiB", 4 << 20, "4MiB"}, {"64KiB", 64 << 10, "64KiB"}, {"2TiB", 2 << 40, "2TiB"},
		{"1024KiB", 1 << 20, "1MiB"}, {"500MB", 500_000_000, "500MB"}, {"3KB", 3000, "3KB"}, {"7GB", 7_000_000_000, "7GB"},
		{"1TB", 1_000_000_000_000, "1TB"}, {"1001", 1001, "1001"}, {"12B", 12, "12"}, {"10 GiB", 10 << 30, "10GiB"}, {"0", 0, "0"},
	} {
		var got config.Size
		if err := got.UnmarshalText([]byte(c.text)); err != nil || got != c.want || got.String() != c.back {
			t.Errorf("%s: got %d, %q, %v, want %d, %q", c.text, got, got.String(), err, c.want, c.back)
		}
		var again config.Size
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%s: got %d, %v after a round trip, want %d", c.text, again, err, got)
		}
	}
	for _, text := range []string{"", "GiB", "10gib", "10Gi", "1.5GiB", "0x10", "1e3", "10 ", "B10", "99999999TiB", "10GiBGiB"} {
		var got config.Size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func TestSync_ReadsPoliciesAndRoundTrips(t *testing.T) {
	for text, want := range map[string]config.Sync{
		"2s": {Interval: 2 * time.Second}, "500ms": {Interval: 500 * time.Millisecond}, "1m30s": {Interval: 90 * time.Second},
		"2h": {Interval: 2 * time.Hour}, "always": {Always: true}, "async": {Async: true},
	} {
		var got config.Sync
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want || got.String() != text {
			t.Errorf("%s: got %+v, %q, %v, want %+v", text, got, got.String(), err, want)
		}
	}
}

func TestParse_TextIsTakenAsWritten(t *testing.T) {
	for written, want := range map[string]string{
		"12": "12", "007": "007", "0x1F": "0x1F", "1_000": "1_000", "1.10": "1.10", "true": "true", "No": "No", "1e3": "1e3",
		"'12'": "12", `"a\u0041"`: "aA", "2026-11-23": "2026-11-23", "+5": "+5", "0o17": "0o17", ".5": ".5",
	} {
		c, _ := parse(t, "cameras: [{id: 12, url: 'rtsp://h', username: u, password: "+written+"}]")
		if got := c.Cameras[0].Password.Reveal(); got != want {
			t.Errorf("password: %s: got %q, want %q", written, got, want)
		}
		if got := c.Cameras[0].ID; got != "12" {
			t.Errorf("id: got %q, want 12", got)
		}
	}
}

func TestParse_NullKeepsTheDefault(t *testing.T) {
	c, _ := parse(t, "capture:\n  fps:\n  mode: ~\nnats: {leaf: null, listen: }\nstream:\n  sync: null\n")
	if d := diff(c, config.Default()); d != "" {
		t.Errorf("-got +want:\n%s", d)
	}
}

func TestParse_VariablesCannotBreakTheStructure(t *testing.T) {
	hostile := "a: b\n  - c # {\"'[${SITE}"
	c, _ := parse(t, `
site: ${SITE}
data_dir: "${DIR}/$${DIR}/$DIR/$$$${x}${EMPTY}"
capture: {fps: "${FPS}", quality: "${QUALITY}", stall_timeout: "${STALL}s", max_frame: "${MB}MiB"}
nats: {insecure: "${BOOL}"}
cameras: [{id: a, url: "rtsp://h", username: u, password: "${PASSWORD}"}]
`, "SITE", "porto", "DIR", "/d", "EMPTY", "", "FPS", "2.5", "QUALITY", "7", "STALL", "9", "MB", "3", "BOOL", "true", "PASSWORD", hostile)
	if got, want := c.DataDir, "/d/${DIR}/$DIR/$$${x}"; got != want {
		t.Errorf("data_dir: got %q, want %q", got, want)
	}
	if got := c.Cameras[0].Password.Reveal(); got != hostile {
		t.Errorf("password: got %q, want %q", got, hostile)
	}
	r := c.Capture
	if c.Site != "porto" || r.FPS != 2.5 || r.Quality != 7 || r.StallTimeout != 9*time.Second || r.MaxFrame != 3*config.MiB || !c.NATS.Insecure {
		t.Errorf("got %s %+v insecure %v, want the values of the variables", c.Site, r, c.NATS.Insecure)
	}
}
