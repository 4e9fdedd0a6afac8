// Package metrics_test holds what Prometheus sees: the metrics of running programs, and the dashboard and alerts of deploy in a real
// Prometheus.
package metrics_test

import (
	"os"
	"testing"

	"github.com/edge-video/edge-video/test/harness"
)

// program is edge-video, built with the race detector.
var program string

func TestMain(m *testing.M) {
	os.Exit(harness.WithProgram(func(path string) int {
		program = path
		return m.Run()
	}, "-race"))
}
