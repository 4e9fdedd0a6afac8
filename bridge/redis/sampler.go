package redis

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/edge-video/edge-video/bridge"
)

// Bounds of what watching costs: so many frames written in the dear way, and so many asked for. Cameras have equal parts.
const (
	longestAge   = 45 * time.Second
	probePause   = 100 * time.Millisecond // between two probes, and longer if they are large:
	probeBytes   = 4 << 20                // a second
	samplePause  = 5 * time.Millisecond   // between two other samples
	askPause     = 250 * time.Millisecond // between two rounds of questions,
	askMost      = 64                     // of so many keys
	samplesMost  = 10_000                 // waiting for their age
	probeIdle    = longestAge + 15*time.Second
	clockSlack   = 2 * time.Second // by which idle times, in whole seconds of the server's clock, may be wrong
	lateSample   = 10 * time.Second
	freshCounter = 5 // the access counter of a new key under an LFU policy
)

// sampler asks the server which of the frames that it was given have been read: by the counter of their reads under an LFU policy, else by
// the time since the last one. Neither question counts as a read.
type sampler struct {
	age     time.Duration // at which a sample is asked for
	samples []sample      // oldest first
	lfu     bool

	// of one connection
	probing ability
	from    time.Time // nothing before is a sample: frames that come again were read before
	forked  time.Time // when a child of the server was last seen, during which it does not note reads
	refused bool      // the server does not answer

	nextAsk time.Time
}

// sample is one stored frame.
type sample struct {
	camera       *reads
	key          string
	written, due time.Time
	probe        bool
}

// ability is whether the server takes probes from us.
type ability int

const (
	untried ability = iota
	able
	unable
)

// begin forgets the samples of the connection before: they may be stored again, which looks like a read.
func (a *adaptive) begin(now time.Time) {
	a.samples, a.probing, a.refused, a.forked = a.samples[:0], untried, false, time.Time{}
	a.from = now.Add(min(2*time.Second, a.age/2))
}

// probe reports whether the next frame of a camera, of so many bytes, is to be a probe.
func (a *adaptive) probe(c *reads, size int, now time.Time) bool {
	if a.lfu || a.probing == unable || now.Before(a.from) || now.Before(c.nextProbe) {
		return false
	}
	cost := max(probePause, time.Duration(size)*time.Second/probeBytes)
	c.nextProbe = now.Add(max(a.age/window, cost*time.Duration(len(a.cameras))))
	return true
}

// stored takes note of a frame that has just been confirmed.
func (a *adaptive) stored(c *reads, key string, probe bool, now time.Time) {
	if !probe && now.Before(c.nextSample) || now.Before(a.from) || len(a.samples) >= samplesMost {
		return
	}
	sm := sample{camera: c, key: key, written: now, due: now.Add(a.age), probe: probe}
	if a.lfu { // counters are lowered as a minute ends
		end := now.Truncate(time.Minute).Add(time.Minute - time.Second)
		if end.Sub(now) < a.age/4 {
			return
		}
		if end.Before(sm.due) {
			sm.due = end
		}
	}
	if !probe {
		c.nextSample = now.Add(samplePause * time.Duration(len(a.cameras)))
	}
	a.samples = append(a.samples, sm)
}

// questions are what a pipeline asks beside storing frames.
type questions struct {
	samples []sample
	keys    []*redis.Cmd
	state   *redis.Cmd
	asked   time.Time
}

// ask adds questions about the samples that are due.
func (a *adaptive) ask(pipe redis.Pipeliner, now time.Time) questions {
	q := questions{asked: now}
	if now.Before(a.nextAsk) || a.refused {
		return q
	}
	n := 0
	for n < min(len(a.samples), askMost) && !a.samples[n].due.After(now) {
		n++
	}
	if n == 0 {
		return q
	}
	a.nextAsk = now.Add(min(askPause, a.age/8))
	ctx := context.Background()
	q.state = redis.NewCmd(ctx, "info", "persistence")
	_ = pipe.Process(ctx, q.state)
	word := "idletime"
	if a.lfu {
		word = "freq"
	}
	q.samples = append(q.samples, a.samples[:n]...)
	a.samples = append(a.samples[:0], a.samples[n:]...)
	for _, sm := range q.samples {
		cmd := redis.NewCmd(ctx, "object", word, sm.key)
		cmd.SetFirstKeyPos(2)
		_ = pipe.Process(ctx, cmd)
		q.keys = append(q.keys, cmd)
	}
	return q
}

// answer judges by the answers. A key that is gone says nothing: it may have expired, or made room for others.
func (a *adaptive) answer(q questions) {
	if len(q.samples) == 0 {
		return
	}
	if state, err := q.state.Text(); err == nil && strings.Contains(state, "_in_progress:1") {
		a.forked = q.asked
	}
	for i, sm := range q.samples {
		n, err := q.keys[i].Int64()
		if err != nil {
			if !errors.Is(err, redis.Nil) {
				a.unanswered(err)
				return
			}
			continue
		}
		age := q.asked.Sub(sm.written)
		idle := time.Duration(n) * time.Second
		read := false
		switch {
		case a.lfu:
			read = n > freshCounter
		case age > a.age+lateSample: // no pipeline asked in time
			continue
		case sm.probe:
			read = idle < probeIdle
		default:
			read = idle < age-clockSlack
		}
		if read || !sm.written.Before(a.forked) {
			a.judge(sm.camera, read, sm.probe || a.lfu, q.asked)
		}
	}
}

// unanswered finds out what an error reply to a question means: another policy than was thought, or that we may not ask.
func (a *adaptive) unanswered(err error) {
	switch text := err.Error(); {
	case strings.Contains(text, "LFU maxmemory policy is selected"):
		a.lfu, a.samples = true, a.samples[:0]
	case strings.Contains(text, "LFU maxmemory policy is not selected"):
		a.lfu, a.samples = false, a.samples[:0]
	case refusal(err):
		a.refused = true
		a.log.Warn("redis does not say which frames are read, so that the times they are kept for do not change; allow the user +object", "err", err)
	}
}

// refusal reports whether the server will reply the same again: it knows no such command, or it is not for us.
func refusal(err error) bool {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return false
	}
	fault := faultOf(reply.Error())
	return fault == "" || fault == bridge.FaultPermission
}

// tried takes the answer to the first probe of a connection, which stored a frame that was stored already.
func (a *adaptive) tried(err error) {
	switch {
	case err == nil:
		a.probing = able
	case refusal(err):
		a.probing = unable
		a.log.Warn("redis does not take the probes that show readers, so that the times frames are kept for do not change; "+
			"allow the user +eval and +restore", "err", err)
	}
}
