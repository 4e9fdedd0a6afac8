// Package e2e_test runs the program itself, as a user would, against real cameras and brokers, and injects faults from outside.
package e2e_test

import (
	"os"
	"testing"

	"github.com/edge-video/edge-video/test/harness"
)

// program is edge-video, built with the race detector.
var program string

// soak asks for the long form of tests that are scaled down otherwise.
var soak = os.Getenv("EDGE_VIDEO_SOAK") != ""

func TestMain(m *testing.M) {
	os.Exit(harness.WithProgram(func(path string) int {
		program = path
		return m.Run()
	}, "-race"))
}
