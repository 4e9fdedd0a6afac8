package metrics_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/test/harness"
)

// scene is a site with a camera that delivers and one that is absent, a bridge whose sink is there and one whose is not, a third in a
// process of its own, a hub above the site, and a Prometheus that watches all of them by the files of deploy.
type scene struct {
	hub, site  *harness.Node
	outpost    *harness.Bridge
	prometheus *harness.Prometheus
	options    harness.NodeOptions // the site's
}

const (
	liveCamera = "  - {id: live, url: 'lavfi:testsrc2=size=320x240:rate=10'}\n"
	darkCamera = "  - {id: dark, url: 'rtsp://127.0.0.1:1/'}\n"
	fast       = "timeout: 2s, breaker: {failures: 2, open: 1s, max_open: 2s}"
)

func startScene(t *testing.T) *scene {
	t.Helper()
	redis := harness.StartRedis(t, harness.RedisOptions{})
	door := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	s := &scene{}
	s.hub = harness.StartNode(t, harness.NodeOptions{Program: program, Site: "hub", NATS: ", leaf: {listen: '" + door + "'}",
		More: "hub: {mirror: true}\n",
		Bridges: fmt.Sprintf("  - {name: central, %s, redis: {url: '%s', key: 'central:{site}:{camera}:{epoch}:{seq}', ttl: 1m}}\n",
			fast, redis.URL())})
	s.options = harness.NodeOptions{Program: program, Site: "lisbon", Cameras: liveCamera + darkCamera,
		NATS: ", leaf: {remotes: [{url: 'nats-leaf://" + door + "'}]}",
		Bridges: fmt.Sprintf("  - {name: cache, %[1]s, redis: {url: '%[2]s', key: 'cache:{camera}:{epoch}:{seq}', ttl: 1m}}\n"+
			"  - {name: apart, in_node: false, %[1]s, redis: {url: '%[2]s', key: 'apart:{camera}:{epoch}:{seq}', ttl: 1m}}\n"+
			"  - {name: gone, %[1]s, redis: {url: 'redis://127.0.0.1:1', key: 'gone:{camera}:{epoch}:{seq}', ttl: 1m}}\n", fast, redis.URL())}
	s.site = harness.StartNode(t, s.options)
	s.outpost = harness.StartBridge(t, program, s.site.Config, "gate-8", "--server", s.site.NATSURL())
	s.prometheus = harness.StartPrometheus(t, s.config(t))
	harness.WaitFor(t, time.Minute, "all targets to be up", func() bool { return s.count(t, `up{job="edge-video"} == 1`) == 3 })
	harness.WaitFor(t, time.Minute, "frames at the hub and at all sinks", func() bool {
		return s.count(t, "edge_video_bridge_delivered_total > 3") == 3 && s.count(t, "edge_video_site_up == 1") == 1 &&
			s.count(t, "edge_video_link_rtt_seconds > 0") == 1 &&
			s.count(t, `edge_video_camera_restarts_total{reason="refused"} > 0`) == 1 && s.count(t, "edge_video_bridge_faults_total > 0") >= 1
	})
	return s
}

// config writes deploy's configuration with the scene's targets and shorter periods.
func (s *scene) config(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	targets := fmt.Sprintf("targets: [%q, %q, %q]", s.hub.URL()[len("http://"):], s.site.URL()[len("http://"):],
		s.outpost.URL()[len("http://"):])
	text := regexp.MustCompile(`targets: \[.*\]`).ReplaceAllLiteralString(deployed(t, "prometheus/prometheus.yml"), targets)
	for name, text := range map[string]string{"prometheus.yml": strings.ReplaceAll(text, "15s", "1s"),
		"alerts.yml": deployed(t, "prometheus/alerts.yml")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "prometheus.yml")
}

func (s *scene) count(t *testing.T, expr string) int {
	t.Helper()
	all, err := s.prometheus.Query(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	return len(all)
}

// metricsText is what a process shows.
func metricsText(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// series are the lines of metrics that hold a text.
func series(text, with string) (all []string) {
	for line := range strings.Lines(text) {
		if line[0] != '#' && strings.Contains(line, with) {
			all = append(all, line)
		}
	}
	return all
}

// TestPrometheus_WatchesASiteItsBridgesAndItsHubByTheFilesOfDeploy has everything of one scene in turn.
func TestPrometheus_WatchesASiteItsBridgesAndItsHubByTheFilesOfDeploy(t *testing.T) {
	t.Parallel()
	s := startScene(t)
	t.Run("names and labels are those of the design", s.names)
	t.Run("promtool finds no fault in the metrics", s.lint)
	t.Run("each query of the dashboard has data", s.dashboard)
	t.Run("each alert can be evaluated and has what it asks for", s.alerts)
	t.Run("there are no more series than the guide says", s.cardinality)
	t.Run("what the old edge-video had is where the guide says", s.predecessor)
	t.Run("what is removed leaves no series", s.removal)
}

func (s *scene) names(t *testing.T) {
	site, outpost, hub := metricsText(t, s.site.URL()), metricsText(t, s.outpost.URL()), metricsText(t, s.hub.URL())
	camera, bridge := `{camera_id="live",site="lisbon"`, `{bridge="cache",site="lisbon"`
	for text, all := range map[string][]string{
		site: {"edge_video_frames_processed_total" + camera,
			"edge_video_frames_dropped_total{camera_id=\"live\",reason=\"queue_full\",site=\"lisbon\"",
			"edge_video_frames_lost_total" + camera, "edge_video_capture_latency_seconds_count" + camera, "edge_video_camera_up" + camera,
			`edge_video_camera_restarts_total{camera_id="dark",reason="refused",site="lisbon"`, `edge_video_stream_horizon_seconds{site="lisbon"`,
			"edge_video_ffmpeg_cpu_seconds_total" + camera, "edge_video_ffmpeg_resident_memory_bytes" + camera,
			"edge_video_delivery_latency_seconds_count" + bridge, "edge_video_bridge_delivered_total" + bridge,
			"edge_video_bridge_pending_frames" + bridge,
			`edge_video_bridge_breaker_state{bridge="gone",site="lisbon"} `, "edge_video_build_info{version=",
			"process_cpu_seconds_total", "go_goroutines",
			`edge_video_link_up{link="`, "gnatsd_varz_connections{", "jetstream_stream_total_messages{"},
		outpost: {`edge_video_bridge_delivered_total{bridge="apart",site="lisbon"`, "edge_video_build_info{version=",
			"process_resident_memory_bytes"},
		hub: {`edge_video_site_up{site="lisbon"} 1`, `edge_video_bridge_delivered_total{bridge="central",site="lisbon"}`,
			`edge_video_site_clock_skew_seconds{site="lisbon"}`,
			`stream_name="FRAMES_lisbon"`},
	} {
		for _, want := range all {
			if !strings.Contains(text, want) {
				t.Errorf("there is no %s", want)
			}
		}
	}
	if strings.Contains(outpost, "gnatsd_") || strings.Contains(outpost, "camera_id") {
		t.Error("a process of bridges tells of a server or of cameras that it does not have")
	}
}

func (s *scene) lint(t *testing.T) {
	for name, url := range map[string]string{"site": s.site.URL(), "outpost": s.outpost.URL(), "hub": s.hub.URL()} {
		if out, err := promtool(t, metricsText(t, url), "check", "metrics"); err != nil || out != "" {
			t.Errorf("promtool check metrics of the %s: %v\n%s", name, err, out)
		}
	}
}

func (s *scene) dashboard(t *testing.T) {
	fill := strings.NewReplacer("$__rate_interval", "1m", "$site", ".*", "$camera_id", ".*", "$bridge", ".*")
	for _, p := range board(t).Panels {
		quiet := p.Title == "Dropped, lost, refused" // nothing of the kind happens in the scene
		for _, target := range p.Targets {
			expr := fill.Replace(target.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("%s: %s has a variable that there is not", p.Title, expr)
			}
			if _, err := s.prometheus.Query(expr); err != nil {
				t.Errorf("%s: %s: %v", p.Title, expr, err)
			} else if !quiet { // a rate takes two scrapes
				harness.WaitFor(t, 20*time.Second, p.Title+": "+expr, func() bool { return s.count(t, expr) > 0 })
			}
		}
	}
	want := map[string][]string{"site": {"hub", "lisbon"}, "camera_id": {"dark", "live"}, "bridge": {"apart", "cache", "central", "gone"}}
	for _, v := range board(t).Templating.List {
		if v.Type == "datasource" {
			continue
		}
		m := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(fill.Replace(v.Definition))
		if m == nil {
			t.Fatalf("variable %s is %s", v.Name, v.Definition)
		}
		all, err := s.prometheus.Query(fmt.Sprintf("group by (%s) (%s)", m[2], m[1]))
		if err != nil {
			t.Fatalf("variable %s: %v", v.Name, err)
		}
		var got []string
		for _, one := range all {
			got = append(got, one.Metric[m[2]])
		}
		if slices.Sort(got); !slices.Equal(got, want[v.Name]) {
			t.Errorf("variable %s is one of %q, want %q", v.Name, got, want[v.Name])
		}
	}
}

func (s *scene) alerts(t *testing.T) {
	var rules []harness.Rule
	harness.WaitFor(t, 30*time.Second, "every rule to be evaluated", func() bool {
		rules = s.prometheus.Rules()
		return len(rules) > 0 && !slices.ContainsFunc(rules, func(r harness.Rule) bool { return r.Health == "unknown" })
	})
	if want := len(alerts(t)); len(rules) != want {
		t.Errorf("Prometheus has %d rules of %d", len(rules), want)
	}
	for _, r := range rules {
		if r.Health != "ok" {
			t.Errorf("%s: %s", r.Name, r.Error)
		}
		for _, name := range regexp.MustCompile(`\b(edge_video_\w+|up)\b`).FindAllString(r.Query, -1) {
			if s.count(t, name) == 0 {
				t.Errorf("%s asks for %s, which there is not", r.Name, name)
			}
		}
	}
	harness.WaitFor(t, 30*time.Second, "the alert about the absent camera", func() bool {
		i := slices.IndexFunc(s.prometheus.Rules(), func(r harness.Rule) bool {
			return r.Name == "EdgeVideoCameraDown" && len(r.Alerts) == 1 && r.Alerts[0].Labels["camera_id"] == "dark" &&
				r.Alerts[0].Annotations["summary"] == "Camera lisbon.dark delivers no pictures"
		})
		return i >= 0
	})
}

// cardinality counts the series of one of each kind, and compares them with the table of the guide.
func (s *scene) cardinality(t *testing.T) {
	site, hub := metricsText(t, s.site.URL()), metricsText(t, s.hub.URL())
	link := regexp.MustCompile(`link="[^"]+"`).FindString(site)
	single := func(text string) (n int) {
		for _, line := range series(text, "") {
			if !regexp.MustCompile(`camera_id="|bridge="|stream_name="|link="|^edge_video_site_`).MatchString(line) {
				n++
			}
		}
		return n
	}
	counts := map[string][]int{
		"of each camera": {len(series(site, `camera_id="live"`)), len(series(site, `camera_id="dark"`))},
		"of each bridge": {len(series(site, `bridge="cache"`)), len(series(site, `bridge="gone"`)),
			len(series(hub, `bridge="central",site="lisbon"`))},
		"of each link to a hub":          {len(series(site, link))},
		"of each site":                   {len(series(hub, `edge_video_site_`))},
		"of each stream":                 {strings.Count(site, "\njetstream_stream_") / strings.Count(site, "\njetstream_stream_last_seq{")},
		"of each durable consumer":       {len(series(site, `consumer_name="cache"`))},
		"of the process and the machine": {single(site), single(hub), single(metricsText(t, s.outpost.URL()))},
	}
	for _, row := range rows(section(t, "Metrics")) {
		got, ok := counts[row[0]]
		if !ok {
			continue
		}
		delete(counts, row[0])
		most, err := strconv.Atoi(row[1])
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("series %s: %v, at most %d", row[0], got, most)
		if slices.Max(got) > most || slices.Max(got) < most/2 {
			t.Errorf("series %s are %v, and the guide says %d at most", row[0], got, most)
		}
	}
	if len(counts) > 0 {
		t.Errorf("the guide says nothing of %v", counts)
	}
}

func (s *scene) predecessor(t *testing.T) {
	text := metricsText(t, s.site.URL())
	found := 0
	for _, row := range rows(section(t, "Metrics")) {
		if len(row) != 2 {
			continue
		}
		for _, name := range regexp.MustCompile(`\b(edge_video|process|go)_\w+\b`).FindAllString(row[1], -1) {
			found++
			there := strings.Contains(text, "# TYPE "+name+" ") || strings.Contains(text, "\n"+name+" ")
			if !there && name != "edge_video_pictures_rejected_total" { // which begins with the first picture that is refused
				t.Errorf("there is no %s", name)
			}
		}
	}
	if found < 20 {
		t.Errorf("the guide names %d metrics", found)
	}
}

func (s *scene) removal(t *testing.T) {
	o := s.options
	o.Cameras = liveCamera
	o.Bridges = regexp.MustCompile(`(?m)^.*name: (gone|cache).*\n`).ReplaceAllString(o.Bridges, "")
	s.site.Configure(o)
	s.site.Hangup()
	harness.WaitFor(t, 30*time.Second, "what was removed to leave no series", func() bool {
		text := metricsText(t, s.site.URL())
		return len(series(text, `camera_id="dark"`))+len(series(text, `bridge="gone"`))+len(series(text, `bridge="cache"`)) == 0
	})
	if len(series(metricsText(t, s.site.URL()), `camera_id="live"`)) == 0 {
		t.Error("the camera that is left has no series")
	}
}
