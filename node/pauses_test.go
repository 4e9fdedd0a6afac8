package node

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// TestPauses_AreFollowedWhenTheirWatcherIsGivenUp ends the watcher, as the client library does with one that it cannot set up anew. What
// comes then is heard, and what a later word has overtaken changes nothing.
func TestPauses_AreFollowedWhenTheirWatcherIsGivenUp(t *testing.T) {
	t.Parallel()
	js := stream(t, runServer(t))
	key := schema.StatusKey("test", "gate")
	kv, err := js.KeyValue(t.Context(), schema.BucketPauses)
	if err != nil {
		t.Fatal(err)
	}
	put := func() uint64 {
		t.Helper()
		revision, err := kv.PutString(t.Context(), key, "{}")
		if err != nil {
			t.Fatal(err)
		}
		return revision
	}
	put()
	ctx, stop := context.WithCancel(t.Context())
	p, err := openPauses(ctx, js, "test")
	if err != nil || !p.known["gate"].paused {
		t.Fatalf("%v, %+v", err, p)
	}
	if err := p.watcher.Stop(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); p.follow(ctx, testLog(t)) }()
	heard := func(revision uint64) jetstream.KeyValueEntry {
		t.Helper()
		for {
			select {
			case e := <-p.changes:
				if e.Revision() >= revision {
					return e
				}
			case <-time.After(10 * time.Second):
				t.Fatal("what has changed is not heard")
			}
		}
	}
	again := heard(put())
	if err := kv.Purge(ctx, key); err != nil {
		t.Fatal(err)
	}
	if id, news := p.take(heard(again.Revision() + 1)); id != "gate" || !news || p.known["gate"].paused {
		t.Errorf("%s, %v: the camera that is read again is %+v", id, news, p.known)
	}
	if _, news := p.take(again); news || p.known["gate"].paused {
		t.Error("an older word has been taken for news")
	}
	if e, err := p.look(ctx, "gate"); err != nil || e != nil {
		t.Errorf("the bucket says %v, %v of a camera that is not paused", e, err)
	}
	now := put()
	if e, err := p.look(ctx, "gate"); err != nil || e.Revision() != now {
		t.Errorf("the bucket says %v, %v of a camera that is paused", e, err)
	}
	stop()
	<-ended
}
