package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// healthTries is how often the server is asked before it counts as ill: without a listener it tosses a coin where its answer took more
// than a millisecond, as on a busy machine (nats-server 2.15, readyForConnections).
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
	if srv.JetStreamIsClustered() && !ofStorage(fault) {
		return fmt.Errorf("%w: %w", errUnsettled, fault)
	}
	return fault
}

// errUnsettled says that the cluster is without a leader, or this node behind it, which ends by itself and not by a restart.
var errUnsettled = errors.New("the cluster is not settled")

// ofStorage tells in a cluster what a restart mends from what the other nodes have to do with.
func ofStorage(fault error) bool {
	return slices.ContainsFunc([]string{"write error", "apply error", "not enabled", "is not running"}, func(part string) bool {
		return strings.Contains(fault.Error(), part)
	})
}

// halfMade is what the server also says of a stream that is being made or removed, which on a busy machine takes a while: it counts when it
// is said twice.
const halfMade = "could not be recovered"

// watch looks at the server once, and heals it.
func (s *Server) watch(ctx context.Context) {
	fault := s.fault()
	if fault != nil && strings.Contains(fault.Error(), halfMade) && fault.Error() != s.doubt {
		s.doubt = fault.Error()
		return
	}
	s.doubt = ""
	waits := errors.Is(s.Err(), errUnsettled)
	switch {
	case fault != nil && !errors.Is(fault, errUnsettled):
		s.heal(ctx, fault)
	case fault != nil && strings.Contains(fault.Error(), "contact with a meta leader"):
		if s.setErr(fault); !waits {
			s.log.Warn("the stream waits for the cluster", "err", fault)
		}
	case waits: // what is left to catch up with, others have
		s.setErr(nil)
		s.log.Info("the cluster is settled again")
	}
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
