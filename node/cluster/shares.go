package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

const (
	// lookPeriod is how often a node looks which cameras are its own to take.
	lookPeriod = 250 * time.Millisecond
	// settleTime is how long the nodes must be the same before cameras that are read move from one to another.
	settleTime = 3 * time.Second
	// turnTime is how long a free camera waits for each node before the next in order may take it.
	turnTime = 2 * time.Second
	// leaveTime bounds the handing over at a stop. What is left then is free at once.
	leaveTime = 6 * time.Second
	// countPeriod is how often the nodes that count are asked for.
	countPeriod = time.Second
)

// Config is what a node's shares depend on.
type Config struct {
	Site, Node string
	Replicas   int // of the streams
	Peers      func() Peers
	Connect    func(name string) (*nats.Conn, error) // closed by Run
	// Patiently asks JetStream again while it has no answer, as while nobody leads, for as long as a start may take.
	Patiently func(ctx context.Context, ask func(context.Context) error) error
}

// Peers are the nodes that count for a majority.
type Peers struct {
	Nodes     []string
	Strangers []string // servers of the cluster that belong to another site
	Size      int      // of the cluster; 0 while that is not known
}

// Reader reads cameras for a node. Its methods are called from several goroutines.
type Reader interface {
	// Prepare begins to read a camera above an epoch and holds its frames back. first tells once: true with the first picture, false when
	// the camera could not be read. It waits until what is stored of the camera is known.
	Prepare(ctx context.Context, camera string, above int64, term *Term) (first <-chan bool, err error)
	// Open lets the frames of a prepared camera go, the first ones included, for as long as the term is valid. It reports false where the
	// camera has been taken out of the configuration meanwhile.
	Open(camera, from string) bool
	// Drop ends a prepared camera, whose frames nobody gets.
	Drop(camera string)
	// Leave ends cameras for another node, "" where that is not known. Their frames count from now on only where they were read before, and
	// with a term that is over not at all. What it returns is closed when what was read of them is stored, or lost.
	Leave(cameras []string, to string) <-chan struct{}
	// Epoch is the newest epoch of a camera that is read or prepared, 0 for any other.
	Epoch(camera string) int64
	// Failing reports whether a camera that is read has failed again and again without a picture. Another node may reach it.
	Failing(camera string) bool
}

// Shares claims and leaves cameras as nodes come and go.
type Shares struct {
	config  Config
	reader  Reader // set by Run
	log     *slog.Logger
	members *members
	uneven  *uneven

	beating sync.Mutex // one beat is made at a time
	mu      sync.Mutex
	offers  []string
	held    map[string]claim // listed in beats; with revision 0 being claimed
	busy    map[string]bool  // being taken, or given away
	free    map[string]time.Time
	refused map[string]time.Time // cameras that could not be read here while another node has them
	leaving bool
	seen    []string // live nodes when looked last
	since   time.Time
}

// New makes shares of the given cameras; Run claims them.
func New(config Config, cameras []string, log *slog.Logger) *Shares {
	s := &Shares{config: config, log: log, members: newMembers(config.Node, time.Now()), uneven: newUneven(config, log),
		held: map[string]claim{}, busy: map[string]bool{}, free: map[string]time.Time{}, refused: map[string]time.Time{}}
	s.Offer(cameras)
	return s
}

// Offer sets the cameras that this node could read. What it reads beside is another's to take once Leave has ended it.
func (s *Shares) Offer(cameras []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offers = slices.Sorted(slices.Values(cameras))
	for id := range s.held {
		if !slices.Contains(s.offers, id) {
			delete(s.held, id)
		}
	}
}

// Health is what is wrong with the division of cameras: why none is read here, "" while some may be, and how nodes differ.
func (s *Shares) Health() (cut string, uneven []string) {
	now := time.Now()
	if !s.members.led(now) && now.Sub(s.members.began) > Lease {
		cut = fmt.Sprintf("this node hears %d others of a cluster of %d, and so reads no camera", len(s.members.live(now)), s.members.total())
	}
	return cut, s.uneven.reasons()
}

// Run divides cameras until ctx ends; then it hands over its own, and returns when others read them or leaveTime is over. The reader is
// to take orders for as long.
func (s *Shares) Run(ctx context.Context, reader Reader) error {
	s.reader = reader
	nc, err := s.config.Connect("shares")
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("reaching JetStream: %w", err)
	}
	var claims *claims
	err = s.config.Patiently(ctx, func(ctx context.Context) (err error) {
		claims, err = openClaims(ctx, js, s.config.Site)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := nc.Subscribe(schema.BeatSubject(s.config.Site), func(m *nats.Msg) { s.hear(m.Data) }); err != nil {
		return fmt.Errorf("listening to other nodes: %w", err)
	}
	var asked sync.WaitGroup
	give := func(m *nats.Msg) { asked.Go(func() { s.give(m) }) }
	if _, err := nc.Subscribe(schema.GiveSubject(s.config.Site, s.config.Node), give); err != nil {
		return fmt.Errorf("listening to other nodes: %w", err)
	}
	// Claims that are being made outlive ctx by what a stop takes.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	taker := &taker{shares: s, nc: nc, claims: claims, beside: make(chan struct{}, besides)}
	s.loop(ctx, work, nc, taker)
	stop()
	taker.wait()
	<-s.letGo(func(claim) bool { return true })
	s.send(nc)
	err = nc.FlushTimeout(time.Second)
	asked.Wait()
	if err != nil {
		s.log.Debug("telling the other nodes of the stop", "err", err)
	}
	return nil
}

// loop beats and looks until nothing is left to hand over after ctx has ended.
func (s *Shares) loop(ctx, work context.Context, nc *nats.Conn, t *taker) {
	beats, looks, counts := time.NewTicker(beatPeriod), time.NewTicker(lookPeriod), time.NewTicker(countPeriod)
	defer beats.Stop()
	defer looks.Stop()
	defer counts.Stop()
	s.count()
	done, over := ctx.Done(), (<-chan time.Time)(nil)
	for {
		select {
		case <-done:
			done, over = nil, time.After(leaveTime)
			s.mu.Lock()
			s.leaving = true
			s.mu.Unlock()
			s.send(nc)
		case <-over:
			return
		case now := <-beats.C:
			s.send(nc)
			beats.Reset(s.members.pace(now))
		case <-counts.C:
			s.count()
		case <-looks.C:
			s.look(work, t)
			if done == nil && s.bare() {
				return
			}
		}
	}
}

// count finds out which nodes count.
func (s *Shares) count() {
	p := s.config.Peers()
	s.members.count(p.Nodes, p.Size)
	s.uneven.meet(p.Strangers)
}

// bare reports whether a leaving node has nothing left that another would take.
func (s *Shares) bare() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held) == 0 || !slices.ContainsFunc(slices.Collect(maps.Values(s.members.live(time.Now()))), func(b *beat) bool { return !b.Leaving })
}

// beat makes a beat. What it holds is taken after its number, so that a beat behind a claim always shows it.
func (s *Shares) beat() *beat {
	s.beating.Lock()
	defer s.beating.Unlock()
	now := time.Now()
	b := &beat{Clock: now.UnixMilli(), Replicas: s.config.Replicas, Holds: map[string]claim{}}
	s.members.next(b, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	b.Leaving, b.Offers = s.leaving, s.offers
	for id, c := range s.held {
		c.Epoch, c.Failing = s.reader.Epoch(id), s.reader.Failing(id)
		b.Holds[id] = c
	}
	return b
}

// encode is for what nodes tell one another, which holds nothing that cannot be encoded.
func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encoding %T: %v", v, err))
	}
	return body
}

func (s *Shares) send(nc *nats.Conn) {
	if err := nc.Publish(schema.BeatSubject(s.config.Site), encode(s.beat())); err != nil && !errors.Is(err, nats.ErrReconnectBufExceeded) {
		s.log.Debug("beat", "err", err)
	}
}

func (s *Shares) hear(body []byte) {
	b := &beat{}
	if err := json.Unmarshal(body, b); err != nil || !b.valid() {
		s.log.Debug("a beat that is none", "err", err)
		return
	}
	s.members.hear(b, time.Now())
}

// present is the present term. What was claimed in one that has ended is let go.
func (s *Shares) present(now time.Time) *Term {
	t, lapsed := s.members.now(now)
	if lapsed {
		s.log.Warn("the lease has ended: a majority of the nodes was not heard from; cameras are left to others", "lease", Lease)
	}
	s.letGo(func(c claim) bool { return !c.term.at(now) })
	return t
}

// letGo leaves the cameras that are held and chosen. What it returns is closed when all that was read of them is stored, or lost.
func (s *Shares) letGo(chosen func(claim) bool) <-chan struct{} {
	s.mu.Lock()
	var ids []string
	for id, c := range s.held {
		if c.Revision > 0 && chosen(c) {
			ids = append(ids, id)
		}
	}
	s.mu.Unlock()
	if len(ids) == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	stored := s.reader.Leave(ids, "")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.held, id)
	}
	return stored
}

// give leaves a camera to the node that asks and reads it already. The answer is a beat, which no longer shows it.
func (s *Shares) give(m *nats.Msg) {
	var ask handover
	if err := json.Unmarshal(m.Data, &ask); err != nil {
		s.log.Debug("a request to give a camera", "err", err)
		return
	}
	s.mu.Lock()
	c, ok := s.held[ask.Camera]
	if ok = ok && c.Revision > 0 && !s.busy[ask.Camera]; ok {
		s.busy[ask.Camera] = true
	}
	s.mu.Unlock()
	answer := given{}
	if ok {
		answer.Epoch = s.reader.Epoch(ask.Camera)
		failing := s.reader.Failing(ask.Camera)
		<-s.reader.Leave([]string{ask.Camera}, ask.Node)
		s.mu.Lock()
		delete(s.held, ask.Camera)
		delete(s.busy, ask.Camera)
		s.free[ask.Camera] = time.Now()
		if failing {
			s.refused[ask.Camera] = time.Now()
		}
		s.mu.Unlock()
		s.log.Info("camera handed over", "camera", ask.Camera, "to", ask.Node)
	}
	answer.Beat = s.beat()
	if err := m.Respond(encode(answer)); err != nil {
		s.log.Debug("answering a node", "err", err)
	}
}

// handover asks a node to leave a camera to another.
type handover struct {
	Camera string `json:"camera"`
	Node   string `json:"node"`
}

// given answers it: the camera is left where the beat does not show it.
type given struct {
	Beat  *beat `json:"beat"`
	Epoch int64 `json:"epoch"` // the camera's last
}
