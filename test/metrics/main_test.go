// Package metrics_test holds what Prometheus sees: the metrics of running programs, and the dashboard and alerts of deploy in a real
// Prometheus.
package metrics_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/edge-video/edge-video/test/harness"
)

// program is edge-video, built with the race detector.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "edge-video-metrics-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := 1
	if program, err = harness.Build(dir, "-race"); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}
