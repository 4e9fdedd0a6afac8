package bridge

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/edge-video/edge-video/schema"
)

func TestBreaker_OneOfTheWorkersThatShareItProbesForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBreaker(BreakerConfig{Failures: 2, Open: time.Second, MaxOpen: time.Minute})
		heard, told := 0, 0
		var seats []*seat
		for range 3 {
			seats = append(seats, b.sit(func(_ schema.BreakerState, own bool) {
				if heard++; own {
					told++
				}
			}))
		}
		seats[0].failure(FaultRefused, false)
		seats[1].failure(FaultRefused, false)
		if pause := seats[2].failure(FaultRefused, false); b.state() != schema.BreakerOpen || pause == 0 || heard != 3 || told != 1 {
			t.Fatalf("%s, pause %v after two failures, %d heard of it and %d told; want it open, with three and one", b.state(), pause, heard, told)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		entered := make(chan *seat, 3)
		for _, s := range seats {
			go func() {
				if s.enter(ctx, nil) {
					entered <- s
				}
			}()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(entered) != 1 {
			t.Fatalf("%d probe at once", len(entered))
		}
		first := <-entered
		first.leave() // it has nothing to deliver
		synctest.Wait()
		if len(entered) != 1 {
			t.Fatalf("%d probe after an idle one", len(entered))
		}
		second := <-entered
		if second.failure(FaultRefused, false); b.state() != schema.BreakerOpen {
			t.Errorf("%s after a failed probe", b.state())
		}
		synctest.Wait()
		if len(entered) != 0 {
			t.Error("a probe without a pause after a failed one")
		}
		time.Sleep(3 * time.Second)
		third := <-entered
		third.success()
		for _, s := range seats {
			if !s.enter(ctx, nil) || b.state() != schema.BreakerClosed {
				t.Errorf("%s after a probe that was confirmed", b.state())
			}
		}
	})
}
