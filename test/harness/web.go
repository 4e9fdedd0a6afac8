package harness

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// web is what an edge-video serves over HTTP.
type web struct {
	tb       testing.TB
	httpPort int
}

// URL is where it is served.
func (w *web) URL() string { return "http://" + hostPort(w.httpPort) }

// Readiness is what /readyz says, but for how busy the machine is: other tests run beside.
type Readiness struct {
	Status   int      `json:"-"`
	Reasons  []string `json:"reasons"`
	Degraded []string `json:"degraded"`
}

// Readyz asks for its readiness; Status is 0 when it does not answer.
func (w *web) Readyz() Readiness {
	w.tb.Helper()
	var r Readiness
	resp, err := http.Get(w.URL() + "/readyz")
	if err != nil {
		return r
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		w.tb.Fatalf("reading /readyz: %v", err)
	}
	r.Status, r.Degraded = resp.StatusCode, Faults(r.Degraded)
	return r
}

// Faults leaves out of a node's reasons to be degraded that the machine's processor is full.
func Faults(degraded []string) []string {
	return slices.DeleteFunc(slices.Clone(degraded), func(reason string) bool { return strings.HasPrefix(reason, "the processor is full") })
}

// Metric is the sum of a metric's values over all label sets that contain all of labels, each written name="value".
func (w *web) Metric(name string, labels ...string) float64 {
	w.tb.Helper()
	resp, err := http.Get(w.URL() + "/metrics")
	if err != nil {
		w.tb.Fatalf("reading /metrics: %v", err)
	}
	defer resp.Body.Close()
	return sumMetric(w.tb, resp.Body, name, labels)
}

// Get asks for a path and returns the status, 0 where nothing answers.
func (w *web) Get(path string) int {
	w.tb.Helper()
	resp, err := http.Get(w.URL() + path)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// Post asks for something to be done, and returns the status and what is answered.
func (w *web) Post(path string) (status int, answer string) {
	w.tb.Helper()
	resp, err := http.Post(w.URL()+path, "", nil)
	if err != nil {
		w.tb.Fatalf("asking for %s: %v", path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.tb.Fatalf("reading the answer of %s: %v", path, err)
	}
	return resp.StatusCode, string(body)
}

func sumMetric(t testing.TB, r io.Reader, name string, labels []string) (sum float64) {
	t.Helper()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if !containsAll(rest, labels) {
			continue
		}
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("metric %s: %v", name, err)
		}
		sum += v
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("reading /metrics: %v", err)
	}
	return sum
}

func containsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
