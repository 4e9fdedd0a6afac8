package bridge

import (
	"slices"
	"testing"
	"time"

	"github.com/edge-video/edge-video/schema"
)

func TestBreaker_OpensAfterFailuresAndItsPausesDouble(t *testing.T) {
	var changes []schema.BreakerState
	b := newBreaker(BreakerConfig{Failures: 3, Open: time.Second, MaxOpen: 6 * time.Second}, func(s schema.BreakerState) { changes = append(changes, s) })
	for i, want := range []struct {
		pause time.Duration
		state schema.BreakerState
	}{
		{200 * time.Millisecond, schema.BreakerClosed},
		{400 * time.Millisecond, schema.BreakerClosed},
		{1 * time.Second, schema.BreakerOpen},
		{2 * time.Second, schema.BreakerOpen},
		{4 * time.Second, schema.BreakerOpen},
		{6 * time.Second, schema.BreakerOpen},
		{6 * time.Second, schema.BreakerOpen},
	} {
		b.allow()
		if i >= 3 && b.state() != schema.BreakerHalfOpen {
			t.Errorf("probe %d: %s, want %s", i-2, b.state(), schema.BreakerHalfOpen)
		}
		pause := b.failure(false)
		if b.state() != want.state || pause < want.pause*3/4 || pause > min(want.pause*5/4, 6*time.Second) {
			t.Errorf("failure %d: %s for %v, want %s for about %v", i+1, b.state(), pause, want.state, want.pause)
		}
	}
	b.allow()
	b.success()
	if b.state() != schema.BreakerClosed {
		t.Errorf("%s after a success, want %s", b.state(), schema.BreakerClosed)
	}
	open, half := schema.BreakerOpen, schema.BreakerHalfOpen
	if want := []schema.BreakerState{open, half, open, half, open, half, open, half, open, half, schema.BreakerClosed}; !slices.Equal(changes, want) {
		t.Errorf("changes %v, want %v", changes, want)
	}
}

func TestBreaker_DeliveryBeginsTheCountAnew(t *testing.T) {
	b := newBreaker(BreakerConfig{Failures: 2, Open: time.Second, MaxOpen: time.Minute}, func(schema.BreakerState) {})
	for range 10 {
		b.success() // the first frame of a session
		if pause := b.failure(true); b.state() != schema.BreakerClosed || pause > 250*time.Millisecond {
			t.Fatalf("%s for %v after a session that delivered", b.state(), pause)
		}
	}
	if b.failure(false); b.state() != schema.BreakerOpen {
		t.Errorf("%s after two failures in a row, want %s", b.state(), schema.BreakerOpen)
	}
	b.allow()
	b.success()
	b.failure(true)
	if pause := b.failure(false); pause > 1250*time.Millisecond {
		t.Errorf("the first pause after a recovery is %v, want about a second", pause)
	}
}

func TestBreaker_PausesNeverOverflow(t *testing.T) {
	b := newBreaker(BreakerConfig{Failures: 1, Open: 7 * time.Minute, MaxOpen: time.Hour}, func(schema.BreakerState) {})
	for i := range 200 {
		b.allow()
		if pause := b.failure(false); pause < 5*time.Minute || pause > time.Hour {
			t.Fatalf("pause %d is %v", i, pause)
		}
	}
}
