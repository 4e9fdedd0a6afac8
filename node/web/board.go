package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// Camera is a camera's state.
type Camera struct {
	Site string `json:"site"`
	ID   string `json:"id"`
	schema.CameraStatus
}

// Bridge is a bridge's state.
type Bridge struct {
	Site string `json:"site"`
	Name string `json:"name"`
	schema.BridgeStatus
	Drain   *float64 `json:"drain_seconds"`   // until nothing waits, at the pace of late; nil where that is not known
	Horizon *float64 `json:"horizon_seconds"` // how long an outage still fits; nil where that is not known
}

// thing is what a board shows of one camera, bridge or the like.
type thing struct{ kind, name string }

// eventsMost is how many events wait for one watcher.
const eventsMost = 256

// board shows the newest state of everything, and tells watchers what changes. A watcher that is slow gets the newest state of each thing
// and no states in between; one that leaves too many events behind has lost its place.
type board struct {
	horizon func() *float64

	mu       sync.Mutex
	cameras  map[string]Camera // by <site>.<id>
	bridges  map[string]*bridgeView
	shown    map[thing][]byte
	begins   map[string]bool // buckets of which all is known
	watchers map[*watcher]struct{}
	closed   bool
}

// bridgeView is a bridge with what its backlog has done of late.
type bridgeView struct {
	Bridge
	read  time.Time
	speed float64 // frames a second by which the backlog shrinks, smoothed
}

func newBoard(horizon func() *float64) *board {
	return &board{horizon: horizon, cameras: map[string]Camera{}, bridges: map[string]*bridgeView{}, shown: map[thing][]byte{},
		begins: map[string]bool{}, watchers: map[*watcher]struct{}{}}
}

// camera takes a camera's state; no value means that it has gone.
func (b *board) camera(site, id string, value []byte) {
	key := schema.StatusKey(site, id)
	c := Camera{Site: site, ID: id}
	if value == nil {
		b.mu.Lock()
		delete(b.cameras, key)
		b.mu.Unlock()
		b.remove(thing{"camera", key}, struct {
			Site    string `json:"site"`
			ID      string `json:"id"`
			Removed bool   `json:"removed"`
		}{site, id, true})
		return
	}
	if json.Unmarshal(value, &c.CameraStatus) != nil {
		return // not written by a node
	}
	b.mu.Lock()
	b.cameras[key] = c
	b.mu.Unlock()
	b.set("camera", key, c)
}

// bridge takes a bridge's state; no value means that it has gone.
func (b *board) bridge(site, name string, value []byte) {
	key := schema.StatusKey(site, name)
	if value == nil {
		b.mu.Lock()
		delete(b.bridges, key)
		b.mu.Unlock()
		b.remove(thing{"bridge", key}, struct {
			Site    string `json:"site"`
			Name    string `json:"name"`
			Removed bool   `json:"removed"`
		}{site, name, true})
		return
	}
	var status schema.BridgeStatus
	if json.Unmarshal(value, &status) != nil {
		return // not written by a bridge
	}
	b.mu.Lock()
	v := b.bridges[key]
	if v == nil {
		v = &bridgeView{Bridge: Bridge{Site: site, Name: name}}
		b.bridges[key] = v
	}
	v.take(status, time.Now())
	v.Horizon = b.horizon()
	shown := v.Bridge
	b.mu.Unlock()
	b.set("bridge", key, shown)
}

// take notes a state and estimates from the last ones how long the backlog takes.
func (v *bridgeView) take(status schema.BridgeStatus, now time.Time) {
	if d := now.Sub(v.read).Seconds(); !v.read.IsZero() && d > 0.5 {
		const weight = 0.4
		v.speed += weight * ((float64(v.Pending)-float64(status.Pending))/d - v.speed)
	}
	v.read, v.BridgeStatus, v.Drain = now, status, nil
	switch {
	case status.Pending == 0:
		v.Drain = new(float64)
	case v.speed > 0 && status.State == schema.BreakerClosed:
		drain := float64(status.Pending) / v.speed
		v.Drain = &drain
	}
}

// cameraList is the cameras by site and id.
func (b *board) cameraList() []Camera {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Camera, 0, len(b.cameras))
	for _, c := range b.cameras {
		all = append(all, c)
	}
	slices.SortFunc(all, func(x, y Camera) int { return cmp.Or(strings.Compare(x.Site, y.Site), strings.Compare(x.ID, y.ID)) })
	return all
}

func (b *board) cameraOf(site, id string) (Camera, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, ok := b.cameras[schema.StatusKey(site, id)]
	return c, ok
}

// bridgeList is the bridges by site and name.
func (b *board) bridgeList() []Bridge {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Bridge, 0, len(b.bridges))
	for _, v := range b.bridges {
		all = append(all, v.Bridge)
	}
	slices.SortFunc(all, func(x, y Bridge) int { return cmp.Or(strings.Compare(x.Site, y.Site), strings.Compare(x.Name, y.Name)) })
	return all
}

// set shows a thing, and tells it where it is new.
func (b *board) set(kind, name string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		return // none of what is shown can fail
	}
	t := thing{kind, name}
	b.mu.Lock()
	defer b.mu.Unlock()
	if bytes.Equal(b.shown[t], body) {
		return
	}
	b.shown[t] = body
	for w := range b.watchers {
		w.changed(t)
	}
}

// remove tells that a thing has gone.
func (b *board) remove(t thing, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		return // as for set
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.shown[t]; !ok {
		return
	}
	delete(b.shown, t)
	for w := range b.watchers {
		w.happened(news{kind: t.kind, body: body})
	}
}

// happened tells an event.
func (b *board) happened(n news) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for w := range b.watchers {
		w.happened(n)
	}
}

// begun notes that all of a bucket is known.
func (b *board) begun(bucket string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begins[bucket] = true
}

// complete reports whether the board shows everything.
func (b *board) complete() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.begins[schema.BucketCameras] && b.begins[schema.BucketBridges]
}

// close ends all watching.
func (b *board) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for w := range b.watchers {
		w.lose()
	}
}

// news is something to tell once.
type news struct {
	kind, id string
	body     []byte
}

// watcher is one who is told. Its fields are the board's, under its lock.
type watcher struct {
	wake    chan struct{} // holds one while there is something
	pending map[thing]struct{}
	news    []news
	lost    bool
}

// watch begins to watch; everything that is shown counts as changed. The caller ends it by leave.
func (b *board) watch() *watcher {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &watcher{wake: make(chan struct{}, 1), pending: map[thing]struct{}{}, lost: b.closed}
	for t := range b.shown {
		w.pending[t] = struct{}{}
	}
	w.signal()
	b.watchers[w] = struct{}{}
	return w
}

func (b *board) leave(w *watcher) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.watchers, w)
}

// take returns what is to be told now: states sorted, then what happened. ok is false when the watcher has lost its place.
func (b *board) take(w *watcher) (all []news, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for t := range w.pending {
		if body, ok := b.shown[t]; ok {
			all = append(all, news{kind: t.kind, id: t.name, body: body})
		}
	}
	slices.SortFunc(all, func(x, y news) int { return cmp.Or(strings.Compare(x.kind, y.kind), strings.Compare(x.id, y.id)) })
	for i := range all {
		all[i].id = "" // was for the order alone
	}
	all = append(all, w.news...)
	clear(w.pending)
	w.news = nil
	return all, !w.lost
}

func (w *watcher) changed(t thing) {
	w.pending[t] = struct{}{}
	w.signal()
}

func (w *watcher) happened(n news) {
	if len(w.news) >= eventsMost {
		w.lose()
		return
	}
	w.news = append(w.news, n)
	w.signal()
}

func (w *watcher) lose() {
	w.lost = true
	w.signal()
}

func (w *watcher) signal() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake
	}
}
