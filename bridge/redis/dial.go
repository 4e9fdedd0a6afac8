package redis

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/edge-video/edge-video/bridge"
)

// reach opens what a session needs: a connection to the server, or to the one that Sentinel names, or the client of a cluster.
func (s *Sink) reach(ctx context.Context) (server, error) {
	if s.cfg.Cluster {
		return newCluster(s), nil
	}
	addr := s.options.Addr
	if s.cfg.Sentinel.Master != "" {
		var err error
		if addr, err = s.master(ctx); err != nil {
			return nil, err
		}
	}
	conn, err := s.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return newSingle(addr, conn, *s.options), nil
}

// dial is the client's own dialling, but within ctx also for TLS, and without its log lines to stderr and its attempts in the
// background.
func (s *Sink) dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, s.options.Network, addr)
	if err != nil || s.options.TLSConfig == nil {
		return conn, err
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		conn.Close()
		return nil, err
	}
	proofs, err := s.cfg.TLS.Config(host)
	if err != nil {
		conn.Close()
		return nil, err
	}
	secure := tls.Client(conn, proofs)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		if ctx.Err() == nil {
			err = &bridge.SinkFault{Fault: bridge.FaultTLS, Err: err}
		}
		return nil, fmt.Errorf("tls with %s: %w", addr, err)
	}
	return secure, nil
}
