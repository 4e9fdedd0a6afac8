package sinktest

import (
	"context"
	"sync"
	"testing"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// Connect connects a sink, which is closed when the test ends.
func Connect(t testing.TB, s bridge.Sink) {
	t.Helper()
	if err := s.Connect(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Send hands over frames and returns how each one ended.
func Send(t testing.TB, s bridge.Sink, frames ...*schema.Frame) []error {
	t.Helper()
	errs := make([]error, len(frames))
	var ended sync.WaitGroup
	ended.Add(len(frames))
	for i, f := range frames {
		s.Send(t.Context(), f, func(err error) {
			errs[i] = err
			ended.Done()
		})
	}
	ended.Wait()
	return errs
}
