package harness

import (
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"
)

// Proxy is a TCP proxy in this process with faults to switch on and off.
type Proxy struct {
	t     testing.TB
	proxy *toxiproxy.Proxy
	gates []*gate // one per direction, as of the shapers
	lines []*shaper
}

// StartProxy starts a proxy in front of target, which need not listen yet.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &Proxy{t: t, proxy: toxiproxy.NewProxy(server, target, hostPort(FreePort(t)), target)}
	toxics.Register("gate", new(gate))
	toxics.Register("shaper", new(shaper))
	ended := make(chan struct{})
	for _, direction := range []string{"upstream", "downstream"} {
		g := p.add("gate", direction).(*gate)
		g.init(ended)
		p.gates = append(p.gates, g)
		line := p.add("shaper", direction).(*shaper)
		line.ended = ended
		p.lines = append(p.lines, line)
	}
	t.Cleanup(func() {
		p.proxy.Stop()
		close(ended)
	})
	p.Restore()
	return p
}

// add puts a toxic of ours in place.
func (p *Proxy) add(kind, direction string) toxics.Toxic {
	p.t.Helper()
	w, err := p.proxy.Toxics.AddToxicJson(strings.NewReader(`{"type":"` + kind + `","stream":"` + direction + `"}`))
	if err != nil {
		p.t.Fatalf("adding a %s to the proxy: %v", kind, err)
	}
	return w.Toxic
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.proxy.Listen }

// Hang lets no more bytes through, either way: connections stay open, and a writer ends up blocked. New connections are accepted and
// hang too. After Restore the bytes flow on.
func (p *Proxy) Hang() {
	for _, g := range p.gates {
		g.set(false)
	}
}

// Slow delays every chunk of at most 32 KiB, either way. A chunk waits for the one before it, so that this bounds the rate too.
func (p *Proxy) Slow(delay time.Duration) {
	for _, g := range p.gates {
		g.slow(delay)
	}
}

// Shape makes each connection a line of a rate in bytes a second, 0 for no bound, and a latency, either way.
func (p *Proxy) Shape(rate int64, latency time.Duration) {
	for _, line := range p.lines {
		line.shape(rate, latency)
	}
}

// Cut drops every connection and refuses new ones.
func (p *Proxy) Cut() { p.proxy.Stop() }

// Restore ends Hang, Slow, Shape and Cut.
func (p *Proxy) Restore() {
	p.t.Helper()
	for _, g := range p.gates {
		g.set(true)
		g.slow(0)
	}
	p.Shape(0, 0)
	if p.proxy.Enabled {
		return
	}
	if err := p.proxy.Start(); err != nil {
		p.t.Fatalf("starting the proxy at %s: %v", p.Addr(), err)
	}
}
