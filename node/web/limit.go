package web

import (
	"math"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// class is a kind of request, by what it costs the node.
type class struct {
	name  string
	burst int
	every rate.Limit
}

var (
	cheap    = class{"requests", 200, 100}
	pictures = class{"pictures", 800, 400}
	heavy    = class{"searches and clips", 20, 5}
	steering = class{"orders", 20, 5}
)

// bucketsMost bounds how many clients are counted at a time.
const bucketsMost = 4096

// buckets count what clients take.
type buckets struct {
	mu  sync.Mutex
	all map[string]*rate.Limiter
}

func newBuckets() *buckets { return &buckets{all: map[string]*rate.Limiter{}} }

// take counts one, and returns how long to wait where that is too much; then it is not counted.
func (b *buckets) take(who string, burst int, every rate.Limit) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.all[who]
	if l == nil {
		if len(b.all) >= bucketsMost {
			b.sweep()
		}
		l = rate.NewLimiter(every, burst)
		b.all[who] = l
	}
	if l.Allow() {
		return 0
	}
	missing := 1 - l.Tokens()
	return time.Duration(math.Ceil(missing/float64(l.Limit())*1000)) * time.Millisecond
}

// giveBack takes back the last count of a client.
func (b *buckets) giveBack(who string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.all[who]; l != nil {
		l.ReserveN(time.Now(), -1)
	}
}

// sweep forgets clients of which nothing is to be remembered, and all where that does not help. The lock is held.
func (b *buckets) sweep() {
	for who, l := range b.all {
		if l.Tokens() >= float64(l.Burst()) {
			delete(b.all, who)
		}
	}
	if len(b.all) >= bucketsMost {
		clear(b.all)
	}
}

// client is where a request comes from: an IPv4 address, or the network of an IPv6 host.
func client(r *http.Request) string { return network(r.RemoteAddr) }

func network(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	ip = ip.Unmap().WithZone("")
	if p, err := ip.Prefix(64); err == nil && ip.Is6() {
		return p.String()
	}
	return ip.String()
}

const (
	// streamsMost bounds answers without an end, streamsEach those of one client.
	streamsMost = 512
	streamsEach = 128
)

// turnout is the answers without an end that are being given.
type turnout struct {
	mu    sync.Mutex
	seats map[*seat]struct{}
	each  map[string]int
}

// seat is one of them.
type seat struct {
	caller caller
	end    func()
}

// enter takes one more, which end ends; leave has to be called where ok.
func (t *turnout) enter(who string, c caller, end func()) (leave func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.seats) >= streamsMost || t.each[who] >= streamsEach {
		return nil, false
	}
	if t.each == nil {
		t.seats, t.each = map[*seat]struct{}{}, map[string]int{}
	}
	s := &seat{c, end}
	t.seats[s] = struct{}{}
	t.each[who]++
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.seats, s)
		if t.each[who]--; t.each[who] == 0 {
			delete(t.each, who)
		}
	}, true
}

// review ends the answers to callers who are not to stay.
func (t *turnout) review(stays func(caller) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s := range t.seats {
		if !stays(s.caller) {
			s.end()
		}
	}
}
