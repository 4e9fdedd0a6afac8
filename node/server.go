package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrServerDown says that the embedded server is not running now.
var ErrServerDown = errors.New("embedded NATS server is not running")

const (
	// healthPeriod is how often the embedded server is looked at.
	healthPeriod = time.Second

	// setupTimeout bounds the setting up of the streams once the server answers.
	setupTimeout = 30 * time.Second
	// clusterTry bounds one try of it in a cluster, and the pause after. There are as many as the other nodes need to come: what a
	// cluster is asked before it has a leader, or by all nodes at the same moment, may never be answered.
	clusterTry = time.Second

	// startGrace is what a start may take to its end when the node is asked to stop meanwhile: enough for any but that of a server
	// that reads all its frames again.
	startGrace = 2 * time.Second
)

// Server is the embedded NATS server with JetStream. It heals itself: after a storage fault, which freezes a stream for as long as the
// server runs, it restarts the server in place as soon as the disk has room again.
type Server struct {
	config ServerConfig
	log    *slog.Logger
	ready  chan struct{} // closed once the streams exist
	users  users

	restarts chan string  // reasons; holds one
	reloads  sync.RWMutex // held by one reload at a time; see steady

	sitesTaken []Site // whose credentials the running server knows; of Run's goroutine
	sitesFault string // why others could not be taken up when last tried; of Run's goroutine
	doubt      string // a fault that counts when it is seen again; of Run's goroutine

	mu    sync.Mutex
	srv   *server.Server // nil while down
	err   error          // why it is not healthy
	sites []Site         // that have credentials; replaced as a whole
	held  map[int]bool   // remotes that are kept down; replaced as a whole
	heard map[int]heard  // of the remotes
}

// NewServer makes a server; Run starts it.
func NewServer(config ServerConfig, log *slog.Logger) (*Server, error) {
	own, err := newUsers()
	if err != nil {
		return nil, err
	}
	return &Server{config: config, log: log, ready: make(chan struct{}), users: own,
		restarts: make(chan string, 1), heard: map[int]heard{}, err: errors.New("starting: recovering stored frames")}, nil
}

// Ready is closed when the streams exist and can be written for the first time.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Err is nil while the streams can be written, else the reason, for readiness.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// InProcessConn connects to the server that runs now, so that clients find the next one after a restart in place.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	srv := s.srv
	s.mu.Unlock()
	if srv == nil {
		return nil, ErrServerDown
	}
	return srv.InProcessConn()
}

// Connect makes an in-process connection that outlives restarts of the server, and may be made during one: it is then cut until the next
// server is there. The error is [ErrServerDown] where none has been ready yet. The caller closes it.
func (s *Server) Connect(name string) (*nats.Conn, error) {
	var nc *nats.Conn
	err := s.steady(func() (err error) {
		nc, err = s.dial(name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("connecting in process: %w", err)
	}
	return nc, nil
}

func (s *Server) dial(name string) (*nats.Conn, error) {
	return nats.Connect("", nats.Name(name), nats.InProcessServer(s), nats.MaxReconnects(-1),
		nats.ReconnectWait(100*time.Millisecond), nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
		nats.ReconnectBufSize(-1), // what cannot be sent is an error at once: frames wait in their queues
		nats.IgnoreAuthErrorAbort(), nats.RetryOnFailedConnect(s.wasReady()), s.credentials(), nats.ErrorHandler(s.clientError))
}

func (s *Server) wasReady() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// steady has the server keep its options while something is done: a reload refuses connections that are being made, and nats-server 2.15
// reads options for a direct get without the lock that a reload writes them under.
func (s *Server) steady(do func() error) error {
	s.reloads.RLock()
	defer s.reloads.RUnlock()
	return do()
}

// clientError takes what the client library reports beside its calls.
func (s *Server) clientError(nc *nats.Conn, _ *nats.Subscription, err error) {
	s.log.Warn("in-process connection", "connection", nc.Opts.Name, "err", err)
}

// credentials signs the server's challenge as the node's own user.
func (s *Server) credentials() nats.Option {
	return func(o *nats.Options) error {
		o.Nkey, o.SignatureCB = s.users.self.name, s.users.self.Sign
		return nil
	}
}

// Run starts the server, keeps it healthy, and stops it when ctx ends, writing the streams' indexes. Stop its clients first. The
// error is that of a first start that failed; to be asked to stop meanwhile is none.
func (s *Server) Run(ctx context.Context) error {
	if err := s.checkPorts(); err != nil {
		return err
	}
	lock, err := lockDir(s.config.DataDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	defer s.stop()
	if err := s.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	close(s.ready)
	tick := time.NewTicker(healthPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case reason := <-s.restarts:
			s.heal(ctx, errors.New(reason))
		case <-tick.C:
			s.watch(ctx)
			s.refreshSites()
		}
	}
}

// checkPorts finds a port in use before anything is created.
func (s *Server) checkPorts() error {
	for key, address := range map[string]string{"nats.listen": s.config.Listen, "nats.leaf.listen": s.config.Leaf.Listen, "nats.cluster.listen": s.config.Cluster.Listen} {
		if address == "" {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			return fmt.Errorf("%s: %w; stop what listens there or give another address", key, err)
		}
		if err := l.Close(); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// start brings a server up, with its streams.
func (s *Server) start(ctx context.Context) error {
	if err := s.readSites(); err != nil {
		return err
	}
	s.sitesTaken = s.sitesNow()
	opts, err := s.options()
	if err != nil {
		return err
	}
	if opts.Cluster.Port != 0 {
		hastenElections()
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("configuring the embedded NATS server: %w", err)
	}
	log := &natsLog{log: s.log.With("part", "nats"), link: s.hear}
	srv.SetLoggerV2(log, false, false, false)
	began := time.Now()
	// Start returns by itself; what it started ends with Shutdown.
	started := make(chan struct{})
	go func() {
		defer close(started)
		srv.Start()
	}()
	for !srv.ReadyForConnections(100 * time.Millisecond) {
		err := log.failure()
		if err == nil && ctx.Err() == nil {
			continue
		}
		select { // Shutdown misses what a Start that is still at work opens
		case <-started:
		case <-time.After(startGrace):
		}
		shutdown(srv)
		if err != nil {
			return fmt.Errorf("starting the embedded NATS server: %w", err)
		}
		return context.Cause(ctx)
	}
	s.mu.Lock()
	s.srv = srv
	s.mu.Unlock()
	if err := s.setup(ctx, srv); err != nil {
		s.stop()
		return err
	}
	s.setErr(nil)
	s.log.Info("stream ready", "data_dir", s.config.DataDir, "nats", clientURL(srv), "took", time.Since(began).Round(time.Millisecond))
	if s.writeContexts(srv, opts) {
		s.showContext(opts)
	}
	return nil
}

// options are those of the server as it is to be now.
func (s *Server) options() (*server.Options, error) {
	opts, err := s.config.options(s.users, s.sitesNow(), func(err error) { s.log.Warn("nats.config", "err", err) })
	if err != nil {
		return nil, err
	}
	s.hold(opts)
	return opts, nil
}

// clientURL is where clients outside the process connect.
func clientURL(srv *server.Server) string {
	if srv.Addr() == nil {
		return "in-process only"
	}
	return srv.ClientURL()
}

func (s *Server) setup(ctx context.Context, srv *server.Server) error {
	nc, err := s.Connect("setup")
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("reaching JetStream: %w", err)
	}
	if !srv.JetStreamIsClustered() {
		ctx, cancel := context.WithTimeout(ctx, setupTimeout)
		defer cancel()
		return ensureStreams(ctx, js, &s.config)
	}
	for told := false; ; told = true {
		try, cancel := context.WithTimeout(ctx, clusterTry)
		err := ensureStreams(try, js, &s.config)
		cancel()
		if err == nil || ctx.Err() != nil || !unsettled(err) {
			return err
		}
		err = fmt.Errorf("waiting for the other nodes of the cluster: %w", err)
		if s.setErr(err); !told {
			s.log.Warn("the streams are not ready", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(clusterTry)):
		}
	}
}

// unsettled says that an answer of JetStream may be another in a moment: it has no leader yet, or has not met enough of its servers.
func unsettled(err error) bool {
	const noPeers, noLeader, notLeader jetstream.ErrorCode = 10005, 10008, 10009
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	api := new(jetstream.APIError)
	return errors.As(err, &api) && slices.Contains([]jetstream.ErrorCode{noPeers, noLeader, notLeader}, api.ErrorCode)
}

// peers are the names of the servers that JetStream counts as the cluster's, and how many there are; the same on each once it is settled.
func (s *Server) peers() (names []string, size int) {
	s.mu.Lock()
	srv := s.srv
	s.mu.Unlock()
	if srv == nil {
		return nil, 0
	}
	groups := srv.Raftz(&server.RaftzOptions{GroupFilter: metaGroup})
	if groups == nil {
		return nil, 0
	}
	names = append(names, srv.Name())
	for _, account := range *groups {
		size = account[metaGroup].Size
		for _, p := range account[metaGroup].Peers {
			names = append(names, p.Name)
		}
	}
	return names, size
}

// metaGroup is the Raft group of JetStream itself.
const metaGroup = "_meta_"

func (s *Server) stop() {
	s.mu.Lock()
	srv := s.srv
	s.srv = nil
	s.mu.Unlock()
	if srv != nil {
		shutdown(srv)
	}
}

func shutdown(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}

func (s *Server) setErr(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}
