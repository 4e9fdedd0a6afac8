package node

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurnstile_LetsNoTwoThroughWithinAPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newTurnstile(40)
		var mu sync.Mutex
		var passed []time.Time
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if err := gate.pass(t.Context()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				passed = append(passed, time.Now())
			})
		}
		all.Wait()
		slices.SortFunc(passed, time.Time.Compare)
		for i := range passed[1:] {
			if d := passed[i+1].Sub(passed[i]); d < 25*time.Millisecond {
				t.Errorf("start %d came %v after the one before, want at least 25 ms", i+1, d)
			}
		}
		if d := passed[99].Sub(passed[0]); d > 99*25*time.Millisecond {
			t.Errorf("100 starts took %v, want no longer than they must", d)
		}
	})
}

func TestTurnstile_WhoGivesUpTakesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newTurnstile(1)
		if err := gate.pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if err := gate.pass(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		began := time.Now()
		gate.set(2)
		if err := gate.pass(t.Context()); err != nil || time.Since(began) > time.Millisecond {
			t.Errorf("the next waited %v with error %v, want no wait at the new pace", time.Since(began), err)
		}
	})
}
