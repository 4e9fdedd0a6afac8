package bridge_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// keep confirms a frame as a sink with keys does.
func keep(f *schema.Frame) verdict {
	f.Kept = &schema.Kept{Key: fmt.Sprintf("frames:%s:%d", f.Camera, f.Seq), TTL: time.Minute, Bytes: len(f.Data)}
	return confirm
}

func referring() bridge.Config {
	c := config()
	c.References = true
	return c
}

// stored are the messages in STORED, of which there are n or more at some time.
func (s *stream) stored(n uint64) (all []*jetstream.RawStreamMsg) {
	s.t.Helper()
	st, err := s.js.Stream(s.t.Context(), schema.StreamStored)
	if err != nil {
		s.t.Fatal(err)
	}
	var info *jetstream.StreamInfo
	harness.WaitFor(s.t, 30*time.Second, fmt.Sprintf("%d references", n), func() bool {
		info, err = st.Info(s.t.Context())
		return err == nil && info.State.Msgs >= n
	})
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := st.GetMsg(s.t.Context(), seq)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// order is the Frame-Seq of each reference.
func order(t *testing.T, messages []*jetstream.RawStreamMsg) (seqs []uint64) {
	t.Helper()
	for _, m := range messages {
		f, err := schema.DecodeStored(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, f.Seq)
	}
	return seqs
}

func TestReferences_TellWhereEachConfirmedFrameIsKept(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 100)
	s.run(referring(), &fakeSink{judge: func(f *schema.Frame) verdict {
		if f.Seq%10 == 0 {
			return reject
		}
		return keep(f)
	}})
	s.waitAcked(100)
	s.dead(10)
	all := s.stored(90)
	if len(all) != 90 {
		t.Fatalf("%d references, want those of 90 frames", len(all))
	}
	if seqs := order(t, all); !slices.IsSorted(seqs) {
		t.Errorf("they are in the order %v", seqs)
	}
	want := frame(1)
	f, err := schema.DecodeStored(all[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Subject != "stored.lisbon.broker.dock-1" || all[0].Header.Get(schema.HeaderMsgID) != "broker."+want.ID() || f.ID() != want.ID() ||
		f.Kept.Key != "frames:dock-1:1" || f.Kept.TTL != time.Minute || f.Kept.Bytes != len(want.Data) || !f.Captured.Equal(want.Captured) {
		t.Errorf("%s %v: %s", all[0].Subject, all[0].Header, all[0].Data)
	}
}

// TestReferences_NoFrameIsAcknowledgedBeforeItsReference lets STORED be away while the sink confirms, or be there and never answer.
func TestReferences_NoFrameIsAcknowledgedBeforeItsReference(t *testing.T) {
	for _, silent := range []bool{false, true} {
		t.Run(fmt.Sprint("silent ", silent), func(t *testing.T) {
			t.Parallel()
			waitsForSTORED(t, silent)
		})
	}
}

func waitsForSTORED(t *testing.T, silent bool) {
	s := startStream(t)
	if err := s.js.DeleteStream(t.Context(), schema.StreamStored); err != nil {
		t.Fatal(err)
	}
	c := referring()
	if silent {
		c.Timeout = time.Second
		deaf, err := s.nc.SubscribeSync("stored.>")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = deaf.Unsubscribe() }()
	}
	s.publish(1, 50)
	sink := &fakeSink{judge: keep}
	b := s.run(c, sink)
	harness.WaitFor(t, 30*time.Second, "frames that the sink has confirmed more than once", func() bool {
		_, confirms, attempts := sink.seen()
		return len(confirms) > 1 && attempts > 3
	})
	if i := s.consumer("broker"); i.AckFloor.Stream != 0 || b.Health().Delivered != 0 {
		t.Errorf("acknowledged up to %d, %d delivered, want nothing", i.AckFloor.Stream, b.Health().Delivered)
	}
	if h := b.Health(); h.State != schema.BreakerClosed || h.Err != nil {
		t.Errorf("%+v, want the sink not blamed", h)
	}
	if _, err := s.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: schema.StreamStored, Subjects: []string{"stored.lisbon.>"}}); err != nil {
		t.Fatal(err)
	}
	s.waitAcked(50)
	if seqs := order(t, s.stored(50)); !slices.Equal(firstArrivals(seqs), count(1, 50)) {
		t.Errorf("references of %v, want each, in order", seqs)
	}
}

// TestReferences_LostConnectionsAndRestartsRepeatThemUnderTheSameIdentityAlone.
func TestReferences_LostConnectionsAndRestartsRepeatThemUnderTheSameIdentityAlone(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 300)
	calls := 0
	for _, most := range []uint64{100, 300} {
		sink := &fakeSink{judge: func(f *schema.Frame) verdict {
			if calls++; calls%37 == 0 {
				return lose
			}
			if f.Seq > most {
				return hold
			}
			return keep(f)
		}}
		b := s.run(referring(), sink)
		s.waitAckFloor(most)
		b.stop()
	}
	all := s.stored(300)
	if seqs := order(t, all); !slices.Equal(firstArrivals(seqs), count(1, 300)) {
		t.Errorf("references of %v, want each, in order", seqs)
	}
	for _, m := range all {
		f, err := schema.DecodeStored(m.Data)
		if err != nil || m.Header.Get(schema.HeaderMsgID) != "broker."+f.ID() {
			t.Errorf("%v: %s, %v", m.Header, m.Data, err)
		}
	}
}

// TestReferences_TwoBridgesTellOfTheSameFrames at the same time: neither's are taken for the other's.
func TestReferences_TwoBridgesTellOfTheSameFrames(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 20)
	s.run(referring(), &fakeSink{judge: keep})
	other := referring()
	other.Name = "other"
	s.run(other, &fakeSink{judge: keep})
	subjects := map[string]int{}
	for _, m := range s.stored(40) {
		subjects[m.Subject]++
	}
	if subjects["stored.lisbon.broker.dock-1"] != 20 || subjects["stored.lisbon.other.dock-1"] != 20 {
		t.Errorf("%v, want 20 references of each", subjects)
	}
}

// waitAckFloor waits until everything up to a stream sequence is acknowledged, whatever else is on its way.
func (s *stream) waitAckFloor(seq uint64) {
	s.t.Helper()
	harness.WaitFor(s.t, 30*time.Second, strconv.FormatUint(seq, 10)+" frames acknowledged", func() bool { return s.consumer("broker").AckFloor.Stream >= seq })
}

// TestReferences_WhatIsRequeuedOrReplayedIsToldOf too, a replay also when the stream has just heard of the frame.
func TestReferences_WhatIsRequeuedOrReplayedIsToldOf(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 5)
	b := s.run(referring(), &fakeSink{judge: func(f *schema.Frame) verdict {
		if f.Seq == 3 {
			return reject
		}
		return keep(f)
	}})
	s.waitAcked(5)
	s.dead(1)
	s.redeliver(b.Worker, bridge.RedeliveryConfig{Dead: true}, &fakeSink{judge: keep}).wait(t)
	s.redeliver(b.Worker, bridge.RedeliveryConfig{}, &fakeSink{judge: keep}).wait(t)
	all := s.stored(10)
	if seqs := order(t, all); !slices.Equal(seqs, []uint64{1, 2, 4, 5, 3, 1, 2, 3, 4, 5}) {
		t.Errorf("references of %v, want those of the live frames, the requeued, and the replayed", seqs)
	}
	for i, m := range all {
		if f, err := schema.DecodeStored(m.Data); err != nil || f.Replayed != (i >= 5) {
			t.Errorf("%s: %v", m.Data, err)
		}
	}
}
