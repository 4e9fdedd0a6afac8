package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// ErrNoLink says that a link to a hub does not come about.
var ErrNoLink = errors.New("the link does not come about")

// TryLink sets up a link to a hub as the embedded server would, from a server that holds nothing, and ends it again: dialling, TLS, and
// whether the hub accepts the credentials. The hub sees another leaf node for a moment, to which it sends nothing. Without an answer
// before ctx ends, the error wraps [ErrNoLink] with what was last heard.
func TryLink(ctx context.Context, r LeafRemote, site string) error {
	remote, err := r.options()
	if err != nil {
		return err
	}
	remote.DenyExports, remote.DenyImports = []string{">"}, []string{">"}
	srv, err := server.NewServer(&server.Options{ServerName: fmt.Sprintf("%s-doctor-%d", site, time.Now().UnixNano()), DontListen: true,
		NoSigs: true, ConnectErrorReports: 1, LeafNode: server.LeafNodeOpts{ReconnectInterval: time.Second,
			Remotes: []*server.RemoteLeafOpts{remote}}})
	if err != nil {
		return fmt.Errorf("setting up a link: %w", err)
	}
	var fault atomic.Pointer[string]
	hear := func(level slog.Level, _ uint64, text string) {
		// A connection that ends without a word before it has no other reason than that.
		if level >= slog.LevelError || strings.Contains(text, "connection closed") && fault.Load() == nil {
			fault.Store(&text)
		}
	}
	srv.SetLoggerV2(&natsLog{log: slog.New(slog.DiscardHandler), link: hear}, false, false, false)
	started := make(chan struct{})
	go func() {
		defer close(started)
		srv.Start()
	}()
	defer func() {
		<-started
		shutdown(srv)
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for up := 0; ; {
		select {
		case <-ctx.Done():
			if said := fault.Load(); said != nil {
				return fmt.Errorf("%w: %s", ErrNoLink, *said)
			}
			return fmt.Errorf("%w: no answer", ErrNoLink)
		case <-tick.C:
		}
		// A hub that refuses says so right after the link seems to be there.
		if up++; srv.NumLeafNodes() == 0 {
			up = 0
		}
		if up > 4 {
			return nil
		}
		if said := fault.Load(); said != nil && up == 0 {
			return fmt.Errorf("%w: %s", ErrNoLink, *said)
		}
	}
}
