package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// healthTries is how often the server is asked before it counts as ill: without a listener it tosses a coin where its answer took more
// than a millisecond, as on a busy machine (nats-server 2.15.2, readyForConnections).
const healthTries = 8

// fault is why the streams cannot be written, by the server's own account of its health.
func (s *Server) fault() error {
	s.mu.Lock()
	srv := s.srv
	s.mu.Unlock()
	if srv == nil {
		return ErrServerDown
	}
	var fault error
	for range healthTries {
		h := srv.Healthz(&server.HealthzOptions{})
		if h.Error == "" {
			return nil
		}
		fault = errors.New(h.Error)
	}
	return fault
}

// heal restarts the server in place once the disk has room, and tries again until it works or ctx ends. Frames that were
// acknowledged are in the stream; those that were not wait in their queues and are published again.
func (s *Server) heal(ctx context.Context, fault error) {
	s.setErr(fmt.Errorf("the stream cannot be written: %w", fault))
	s.log.Error("the stream cannot be written; free space on the disk of data_dir, then capture resumes by itself",
		"err", fault, "data_dir", s.config.DataDir)
	for pause := healthPeriod; ; pause = min(2*pause, 8*time.Second) {
		if disk, err := DiskOf(s.config.DataDir); err != nil {
			s.setErr(fmt.Errorf("the stream cannot be written: %w", err))
		} else if disk.Free < disk.Floor {
			s.setErr(fmt.Errorf("the stream cannot be written: %w; %d MiB free on the disk of data_dir, %d needed", fault, disk.Free>>20, disk.Floor>>20))
			pause = healthPeriod
		} else {
			s.stop()
			if err = s.start(ctx); err == nil {
				s.log.Info("the stream can be written again", "after", fault)
				return
			}
			s.setErr(err)
			s.log.Error("restarting the embedded NATS server", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}
