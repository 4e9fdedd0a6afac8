package cluster

import (
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"time"
)

// sentMemory is how many of the own beats are remembered: what was sent longer ago than a lease proves nothing.
const sentMemory = 2 * int(Lease/hurriedPeriod)

// members knows which nodes hear one another. Times are of this node's monotonic clock alone.
type members struct {
	node, run string
	began     time.Time

	mu     sync.Mutex
	names  map[string]bool // nodes that count
	size   int             // how many there are; 0 while that is not known
	seq    uint64          // of the last own beat
	sent   map[uint64]time.Time
	peers  map[string]*peer // by node, the newest run of each
	past   map[string]time.Time
	term   *Term // nil while no majority is heard from
	lapsed bool  // a term has ended and nobody has been told
}

// peer is another node.
type peer struct {
	last  *beat
	at    time.Time // when last came
	acked time.Time // when the newest own beat was sent that it has shown to have heard
	echo  time.Time // when the own beat was sent that last shows to have been heard, zero where it shows none
}

func newMembers(node string, now time.Time) *members {
	return &members{node: node, run: rand.Text(), began: now, sent: map[uint64]time.Time{}, peers: map[string]*peer{}, past: map[string]time.Time{}}
}

// count sets which nodes count, and how many there are.
func (m *members) count(names []string, size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.size, m.names = size, make(map[string]bool, len(names))
	for _, n := range names {
		m.names[n] = true
	}
}

// next fills in what a new beat says of this node and of whom it hears.
func (m *members) next(b *beat, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.renew(now)
	m.seq++
	m.sent[m.seq] = now
	delete(m.sent, m.seq-uint64(sentMemory))
	b.Node, b.Run, b.Seq, b.Age, b.Heard = m.node, m.run, m.seq, now.Sub(m.began), map[string]heard{}
	for _, p := range m.peers {
		b.Heard[p.last.Run] = heard{Seq: p.last.Seq, Ago: now.Sub(p.at)}
	}
	for run, at := range m.past {
		b.Heard[run] = heard{Ago: now.Sub(at)}
	}
}

// hear takes another node's beat.
func (m *members) hear(b *beat, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b.Node == m.node {
		return
	}
	p := m.peers[b.Node]
	if p == nil {
		p = &peer{}
		m.peers[b.Node] = p
	}
	switch {
	case p.last == nil:
	case p.last.Run != b.Run:
		if _, old := m.past[b.Run]; old {
			return
		}
		m.past[p.last.Run] = p.at
		*p = peer{}
	case b.Seq <= p.last.Seq:
		return
	}
	p.last, p.at, p.echo = b, now, time.Time{}
	if at, ok := m.sent[b.Heard[m.run].Seq]; ok {
		p.echo = at
		if at.After(p.acked) {
			p.acked = at
		}
	}
	m.renew(now)
	maps.DeleteFunc(m.past, func(_ string, at time.Time) bool { return now.Sub(at) > time.Hour })
}

// renew ends a term whose time is over, and otherwise sets how long it lasts; m.mu is held. A term that has ended is never taken up again.
func (m *members) renew(now time.Time) {
	if m.term != nil && !m.term.at(now) {
		m.term.end()
		m.term, m.lapsed = nil, true
	}
	if m.size == 0 {
		return
	}
	acked := []time.Time{now} // this node hears itself
	for node, p := range m.peers {
		if m.names[node] {
			acked = append(acked, p.acked)
		}
	}
	slices.SortFunc(acked, func(a, b time.Time) int { return b.Compare(a) })
	n := majority(m.size)
	if len(acked) < n || now.Sub(acked[n-1]) >= Lease {
		return
	}
	if until := acked[n-1].Add(Lease); m.term == nil {
		m.term = newTerm(now, until)
	} else {
		m.term.extend(until)
	}
}

func majority(size int) int { return size/2 + 1 }

// now is the present term, nil where there is none, and whether one has ended since the last call.
func (m *members) now(now time.Time) (t *Term, lapsed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.renew(now)
	lapsed, m.lapsed = m.lapsed, false
	return m.term, lapsed
}

// live are the last beats of the other nodes that were heard within the lease and have not gone quiet.
func (m *members) live(now time.Time) map[string]*beat {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]*beat{}
	for node, p := range m.peers {
		if now.Sub(p.at) < Lease && m.silence(node, p.last.Run, now).lasts() < quietTime {
			all[node] = p.last
		}
	}
	return all
}

// pace is how long to wait until the next beat.
func (m *members) pace(now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.peers {
		if silent := now.Sub(p.at); silent > 2*beatPeriod && silent < 2*Lease {
			return hurriedPeriod
		}
	}
	return beatPeriod
}

// of is the last beat of a run, nil where it is not known.
func (m *members) of(node, run string) *beat {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.peers[node]; p != nil && p.last.Run == run {
		return p.last
	}
	return nil
}

// clock is at least what a node's own clock shows now, Unix milliseconds, 0 where it was never heard.
func (m *members) clock(node string, now time.Time) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.peers[node]
	if p == nil {
		return 0
	}
	return p.last.Clock + now.Sub(p.at).Milliseconds() + beatPeriod.Milliseconds()
}

// over reports whether it is proved that no claim of a node's run, made before since, holds any more: that there was a moment, not before
// since, up to which a majority had heard nothing of the run for a lease.
func (m *members) over(node, run string, since, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.silence(node, run, now)
	return !s.until.Before(since) && s.lasts() >= Lease+margin
}

// silence is a time in which nothing was heard of a run of a node.
type silence struct{ last, until time.Time }

func (s silence) lasts() time.Duration { return s.until.Sub(s.last) }

// silence is the longest for which it is known of a majority; m.mu is held.
func (m *members) silence(node, run string, now time.Time) silence {
	mine := m.began
	if p := m.peers[node]; p != nil && p.last.Run == run {
		mine = p.at
	} else if at, ok := m.past[run]; ok {
		mine = at
	}
	all := []silence{{mine, now}}
	for other, p := range m.peers {
		if other == node || p.echo.IsZero() || !m.names[other] {
			continue
		}
		ago := p.last.Age
		if h, ok := p.last.Heard[run]; ok {
			ago = h.Ago
		}
		all = append(all, silence{p.at.Add(-ago), p.echo})
	}
	n := majority(m.size)
	if m.size == 0 || len(all) < n {
		return silence{}
	}
	slices.SortFunc(all, func(a, b silence) int { return a.last.Compare(b.last) })
	until := slices.MinFunc(all[:n], func(a, b silence) int { return a.until.Compare(b.until) }).until
	return silence{all[n-1].last, until}
}
