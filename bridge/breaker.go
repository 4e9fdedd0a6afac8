package bridge

import (
	"math/rand/v2"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/edge-video/edge-video/schema"
)

// BreakerConfig is when a bridge leaves its sink alone.
type BreakerConfig struct {
	Failures int           // sessions in a row without a confirmed frame that open the breaker
	Open     time.Duration // first pause before a probe
	MaxOpen  time.Duration // the pause doubles with every failed probe up to this
}

// retryPause is the wait after the first failure while the breaker is still closed; it grows with each.
const retryPause = 200 * time.Millisecond

// breaker decides when the next session with the sink may begin. It is used by the worker's goroutine; the first confirmed frame of a
// session is recorded from the sink's.
type breaker struct {
	config  BreakerConfig
	circuit circuitbreaker.CircuitBreaker[any]
	changed func(schema.BreakerState)
	pace    pace
	failed  int // in a row
	probes  int // failed in a row, at this pace
}

func newBreaker(config BreakerConfig, changed func(schema.BreakerState)) *breaker {
	b := &breaker{config: config, changed: changed}
	b.circuit = circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(uint(config.Failures)).
		WithSuccessThreshold(1).
		WithDelay(0). // the pause grows and has jitter, see pause
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) { changed(stateOf(e.NewState)) }).
		Build()
	return b
}

func (b *breaker) state() schema.BreakerState { return stateOf(b.circuit.State()) }

func stateOf(s circuitbreaker.State) schema.BreakerState {
	switch s {
	case circuitbreaker.OpenState:
		return schema.BreakerOpen
	case circuitbreaker.HalfOpenState:
		return schema.BreakerHalfOpen
	}
	return schema.BreakerClosed
}

// allow moves an open breaker to half-open: the pause is over.
func (b *breaker) allow() { b.circuit.TryAcquirePermit() }

// open opens it by request.
func (b *breaker) open() { b.circuit.Open() }

// success closes the breaker.
func (b *breaker) success() { b.circuit.RecordSuccess() }

// failure records a session that ended in a fault and returns the pause before the next one. delivered says that frames were
// confirmed in it.
func (b *breaker) failure(f Fault, delivered bool) time.Duration {
	p := paceOf(f)
	if delivered {
		b.failed, b.probes = 0, 0
	}
	if p != b.pace {
		b.pace, b.probes = p, 0
	}
	b.failed++
	if p.atOnce {
		b.circuit.Open()
	} else {
		b.circuit.RecordFailure()
	}
	pause := retryPause * time.Duration(b.failed)
	most := retryPause * time.Duration(b.config.Failures)
	if b.circuit.IsOpen() {
		first := b.config.Open * time.Duration(p.first)
		pause, most = first<<min(b.probes, 16), max(b.config.MaxOpen, first)
		if p.most > 0 {
			most = min(b.config.MaxOpen, b.config.Open*time.Duration(p.most))
		}
		b.probes++
	}
	return min(time.Duration(float64(min(pause, most))*(0.75+rand.Float64()/2)), most)
}
