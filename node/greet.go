package node

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// Greeting is what a nats-server says of itself to whoever connects.
type Greeting struct {
	Server     string `json:"server_name"`
	Version    string `json:"version"` // of its nats-server
	Domain     string `json:"domain"`  // of its JetStream, "" where it has none
	MaxPayload int64  `json:"max_payload"`
	TLS        bool   `json:"tls_required"`
}

// ErrNoGreeting says that a hub can only be asked by websocket, which is not done.
var ErrNoGreeting = errors.New("hubs reached by websocket are not asked")

// maxGreeting is far above what a server says first.
const maxGreeting = 64 << 10

// Greet connects to a hub the way its link does, and returns what it says of itself.
func (s *Server) Greet(ctx context.Context, i int) (Greeting, error) {
	return s.config.Leaf.Remotes[i].greet(ctx)
}

func (r *LeafRemote) greet(ctx context.Context) (g Greeting, err error) {
	u, err := r.parse()
	if err != nil {
		return g, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*leafTimeout)
	defer cancel()
	if u.Scheme == "ws" || u.Scheme == "wss" {
		return g, ErrNoGreeting
	}
	c, err := r.dial(ctx)
	if err != nil {
		return g, err
	}
	defer c.Close()
	if r.TLS.HandshakeFirst {
		config, err := r.TLS.config()
		if err != nil {
			return g, err
		}
		if config.ServerName == "" {
			config.ServerName = u.Hostname()
		}
		c = tls.Client(c, config)
	}
	return ReadGreeting(c)
}

// ReadGreeting reads what a nats-server says first, to clients and leaf nodes alike.
func ReadGreeting(c io.Reader) (g Greeting, err error) {
	line, err := bufio.NewReader(io.LimitReader(c, maxGreeting)).ReadBytes('\n')
	info, ok := bytes.CutPrefix(line, []byte("INFO "))
	switch {
	case !ok && len(line) > 0:
		return g, errors.New("what listens there is no nats-server")
	case err != nil:
		return g, fmt.Errorf("hearing the server: %w", err)
	}
	if err := json.Unmarshal(info, &g); err != nil {
		return g, fmt.Errorf("reading what the server says: %w", err)
	}
	return g, nil
}

// dial makes a TCP connection to the hub, through the proxy where there is one. It ends with ctx.
func (r *LeafRemote) dial(ctx context.Context) (net.Conn, error) {
	to, proxy := r.Host(), &url.URL{}
	if r.Proxy != "" {
		var err error
		if proxy, err = url.Parse(r.Proxy); err != nil {
			return nil, errors.New("the url of the proxy cannot be read")
		}
		to = proxy.Host
		if proxy.Port() == "" {
			to = net.JoinHostPort(proxy.Hostname(), map[string]string{"http": "80", "https": "443"}[proxy.Scheme])
		}
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, fmt.Errorf("reaching %s: %w", to, err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	if r.Proxy == "" {
		return c, nil
	}
	if proxy.Scheme == "https" {
		c = tls.Client(c, &tls.Config{ServerName: proxy.Hostname(), MinVersion: tls.VersionTLS12})
	}
	tunnel, err := connect(c, r.Host(), proxy.User)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("through the proxy %s: %w", proxy.Host, err), c.Close())
	}
	return tunnel, nil
}

// tunnel is a connection of which some bytes have been read ahead.
type tunnel struct {
	net.Conn
	ahead *bufio.Reader
}

func (t *tunnel) Read(b []byte) (int, error) { return t.ahead.Read(b) }

// connect asks a proxy for a way to a host.
func connect(c net.Conn, to string, user *url.Userinfo) (net.Conn, error) {
	ask := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: to}, Host: to, Header: http.Header{}}
	if password, has := user.Password(); has {
		ask.SetBasicAuth(user.Username(), password)
		ask.Header["Proxy-Authorization"] = ask.Header["Authorization"]
		ask.Header.Del("Authorization")
	}
	if err := ask.Write(c); err != nil {
		return nil, err
	}
	ahead := bufio.NewReader(c)
	answer, err := http.ReadResponse(ahead, ask)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s", answer.Status)
	}
	return &tunnel{c, ahead}, nil
}
