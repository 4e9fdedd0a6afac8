package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/edge-video/edge-video/node"
)

// Listener is an address that a node opens.
type Listener struct {
	Key     string // of the configuration
	Address string // "" is none
	HTTP    bool   // else the embedded server's
	Server  string // what the node's embedded server is called
}

// Port looks whether a node can listen there, or whether the running one does.
func Port(l Listener, running bool) Check {
	return func(ctx context.Context) []Finding {
		f := Finding{Area: "port", Of: l.Key, Status: OK}
		listener, err := net.Listen("tcp", l.Address)
		if err == nil {
			_ = listener.Close() // it has served its purpose
		}
		_, port, _ := net.SplitHostPort(l.Address)
		taken := errors.Is(err, syscall.EADDRINUSE)
		switch {
		case err != nil && !taken:
			f.Status, f.What, f.Remedy = Fail, err.Error(), "give an address of this machine, and a port that the node's user may open"
		case !taken && running && port != "0":
			f.Status, f.What = Warn, fmt.Sprintf("the running node does not listen on %s", l.Address)
			f.Remedy = "restart the node: it runs with another configuration"
		case !taken:
			f.What = l.Address + " is free"
		case !running:
			f.Status, f.What = Fail, fmt.Sprintf("%s is taken, and no node runs on this data_dir", l.Address)
			f.Remedy = fmt.Sprintf("stop what listens there (ss -ltnp 'sport = :%s'), or give another address", port)
		default:
			f.What = fmt.Sprintf("%s is the running node's", l.Address)
			if err := l.ours(ctx); err != nil {
				f.Status, f.What = Fail, fmt.Sprintf("%s is taken, not by the running node as it seems: %s", l.Address, err)
				f.Remedy = fmt.Sprintf("see what listens there (ss -ltnp 'sport = :%s')", port)
			}
		}
		return []Finding{f}
	}
}

// ours reports why what listens there is not the node.
func (l *Listener) ours(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if l.HTTP {
		_, err := Readiness(ctx, l.Address)
		return err
	}
	name, err := serverName(ctx, l.Address)
	if err == nil && name != l.Server {
		return fmt.Errorf("the server there is called %q", name)
	}
	return err
}

// serverName is what a nats-server is called, as it says before it wants to know anything.
func serverName(ctx context.Context, address string) (string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", Here(address))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	g, err := node.ReadGreeting(conn)
	return g.Server, err
}

// Here is an address to listen at as one to connect to, from this machine.
func Here(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// State is what a node says of itself under /readyz.
type State struct {
	Ready    *bool    `json:"ready"`
	Reasons  []string `json:"reasons"`
	Degraded []string `json:"degraded"`
}

// Readiness asks a node how it is.
func Readiness(ctx context.Context, address string) (State, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+Here(address)+"/readyz", nil)
	if err != nil {
		return State{}, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return State{}, err
	}
	defer answer.Body.Close()
	var s State
	if err := json.NewDecoder(http.MaxBytesReader(nil, answer.Body, 1<<20)).Decode(&s); err != nil || s.Ready == nil {
		return State{}, fmt.Errorf("what answers %s to /readyz is no edge-video", answer.Status)
	}
	return s, nil
}

// Running says what a running node says of itself.
func Running(address string) Check {
	return func(ctx context.Context) []Finding {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		s, err := Readiness(ctx, address)
		if err != nil {
			return []Finding{{Area: "node", Status: Warn, What: fmt.Sprintf("the running node cannot be asked how it is: %s", err),
				Remedy: "see its log; http.listen may have changed since it started"}}
		}
		var all []Finding
		for _, reason := range s.Reasons {
			all = append(all, Finding{Area: "node", Status: Fail, What: reason, Remedy: "see what is said of it below, and the node's log"})
		}
		for _, reason := range s.Degraded {
			all = append(all, Finding{Area: "node", Status: Warn, What: reason, Remedy: "see what is said of it below, and the node's log"})
		}
		if len(all) == 0 {
			all = []Finding{{Area: "node", Status: OK, What: "runs, and says that all is well"}}
		}
		return all
	}
}

// Unreached is the finding that a running node cannot be asked over NATS.
func Unreached(err error) Finding {
	f := Finding{Area: "node", Of: "nats", Status: Warn, What: fmt.Sprintf("the running node cannot be asked over NATS: %s", err),
		Remedy: "see nats.listen, and give --server if it is elsewhere"}
	if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) {
		f.Remedy = "give --server with a user, or --creds, as nats.config wants it"
	}
	return f
}
