package main

import (
	"log/slog"
	"math"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// queueShare is the part of memory that pictures may fill while they wait for the stream, over all cameras.
	queueShare = 1. / 4
	// heapShare is the part from which on the runtime would rather collect garbage than grow: FFmpeg needs memory too.
	heapShare = 1. / 2
)

// limitMemory has the runtime keep to a part of the memory there is: the container's bound, else the machine's. It returns how many
// bytes of pictures may wait for the stream. GOMEMLIMIT in the environment takes precedence for the runtime.
func limitMemory(log *slog.Logger) (queueBytes int64) {
	all, err := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)()
	if err == nil {
		_, err = memlimit.Set(memlimit.WithProvider(memlimit.Limit(all)), memlimit.WithRatio(heapShare))
	}
	if err != nil {
		log.Warn("memory is not bounded as a whole, only for each camera", "err", err)
		return math.MaxInt64
	}
	return int64(queueShare * float64(all))
}
