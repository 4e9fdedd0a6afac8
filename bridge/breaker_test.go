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
		pause := b.failure(FaultRefused, false)
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
		if pause := b.failure(FaultLost, true); b.state() != schema.BreakerClosed || pause > 250*time.Millisecond {
			t.Fatalf("%s for %v after a session that delivered", b.state(), pause)
		}
	}
	if b.failure(FaultRefused, false); b.state() != schema.BreakerOpen {
		t.Errorf("%s after two failures in a row, want %s", b.state(), schema.BreakerOpen)
	}
	b.allow()
	b.success()
	b.failure(FaultLost, true)
	if pause := b.failure(FaultRefused, false); pause > 1250*time.Millisecond {
		t.Errorf("the first pause after a recovery is %v, want about a second", pause)
	}
}

func TestBreaker_PausesNeverOverflow(t *testing.T) {
	b := newBreaker(BreakerConfig{Failures: 1, Open: 7 * time.Minute, MaxOpen: time.Hour}, func(schema.BreakerState) {})
	for i := range 200 {
		b.allow()
		if pause := b.failure(FaultRefused, false); pause < 5*time.Minute || pause > time.Hour {
			t.Fatalf("pause %d is %v", i, pause)
		}
	}
}

func TestBreaker_EachClassOfFaultHasItsPace(t *testing.T) {
	const open, most = 2 * time.Second, 30 * time.Second
	for fault, want := range map[Fault][]time.Duration{ // pauses once the breaker is open
		FaultRefused:     {2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second},
		FaultCredentials: {16 * time.Second, 30 * time.Second, 30 * time.Second},
		FaultPermission:  {16 * time.Second, 30 * time.Second},
		FaultMissing:     {16 * time.Second, 30 * time.Second},
		FaultConflict:    {16 * time.Second, 30 * time.Second},
		FaultBlocked:     {2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 16 * time.Second},
		FaultFull:        {2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 16 * time.Second},
		FaultReadOnly:    {2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 16 * time.Second},
		FaultLoading:     {2 * time.Second, 4 * time.Second, 4 * time.Second, 4 * time.Second},
	} {
		b := newBreaker(BreakerConfig{Failures: 3, Open: open, MaxOpen: most}, func(schema.BreakerState) {})
		tries := 0 // before it opens
		pause := b.failure(fault, false)
		for ; b.state() != schema.BreakerOpen; pause = b.failure(fault, false) {
			tries++
		}
		if quick := fault == FaultRefused; quick && tries != 2 || !quick && tries != 0 {
			t.Errorf("%s: open after %d failures", fault, tries+1)
		}
		for i, d := range want {
			if pause < d*3/4 || pause > min(d*5/4, most) {
				t.Errorf("%s: pause %d is %v, want about %v", fault, i+1, pause, d)
			}
			b.allow()
			pause = b.failure(fault, false)
		}
	}
}

func TestBreaker_OtherFaultBeginsItsOwnPace(t *testing.T) {
	b := newBreaker(BreakerConfig{Failures: 1, Open: time.Second, MaxOpen: time.Minute}, func(schema.BreakerState) {})
	for range 10 {
		b.failure(FaultRefused, false)
		b.allow()
	}
	if pause := b.failure(FaultLoading, false); pause > 1250*time.Millisecond {
		t.Errorf("%v, want the first pause of %s", pause, FaultLoading)
	}
	b.allow()
	if pause := b.failure(FaultCredentials, false); pause < 6*time.Second || pause > 10*time.Second {
		t.Errorf("%v, want the first pause of %s", pause, FaultCredentials)
	}
}

func TestBreaker_OperatorsPaceIsNeverQuickerThanItsFirstPause(t *testing.T) {
	b := newBreaker(BreakerConfig{Failures: 1, Open: time.Second, MaxOpen: 2 * time.Second}, func(schema.BreakerState) {})
	for range 5 {
		if pause := b.failure(FaultCredentials, false); pause < 6*time.Second {
			t.Errorf("pause of %v", pause)
		}
		b.allow()
	}
}
