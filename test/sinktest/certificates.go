package sinktest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/test/harness"
)

// RunTLS has a sink prove itself to a broker that listens for TLS at addr, rightly and wrongly. c is the broker's own certificate, which
// bears [harness.ServerName] alone, and those that it takes. newSink makes a sink that is not connected.
func RunTLS(t *testing.T, addr string, c *harness.Certificates, newSink func(t testing.TB, addr string, proofs bridge.TLS) bridge.Sink) {
	other := harness.MakeCertificates(t)
	whole := bridge.TLS{CA: c.CA, Certificate: c.Client, Key: c.ClientKey, ServerName: harness.ServerName}
	for name, given := range map[string]func(*bridge.TLS){
		"unknown CA":            func(p *bridge.TLS) { p.CA = other.CA },
		"the system's CAs":      func(p *bridge.TLS) { p.CA = "" },
		"another server's name": func(p *bridge.TLS) { p.ServerName = "other.test" },
		"the address as name":   func(p *bridge.TLS) { p.ServerName = "" },
		"no certificate of us":  func(p *bridge.TLS) { p.Certificate, p.Key = "", "" },
		"a foreign certificate": func(p *bridge.TLS) { p.Certificate, p.Key = other.Client, other.ClientKey },
		"no such file":          func(p *bridge.TLS) { p.CA = "/nowhere.pem" },
		"a key without its own": func(p *bridge.TLS) { p.Key = other.ClientKey },
	} {
		t.Run(name, func(t *testing.T) {
			wrong := whole
			given(&wrong)
			if err := connect(t, newSink(t, addr, wrong), Timeout); bridge.FaultOf(err) != bridge.FaultTLS {
				t.Errorf("got %v, want a fault of TLS", err)
			}
		})
	}
	t.Run("certificates are read again at each connection", func(t *testing.T) {
		dir := t.TempDir()
		renewed := bridge.TLS{CA: filepath.Join(dir, "ca"), Certificate: filepath.Join(dir, "own"), Key: filepath.Join(dir, "key"), ServerName: harness.ServerName}
		put := func(from *harness.Certificates) {
			copyFile(t, from.CA, renewed.CA)
			copyFile(t, from.Client, renewed.Certificate)
			copyFile(t, from.ClientKey, renewed.Key)
		}
		s := newSink(t, addr, renewed)
		for range 2 {
			put(other)
			if err := connect(t, s, Timeout); bridge.FaultOf(err) != bridge.FaultTLS {
				t.Errorf("got %v with certificates of others", err)
			}
			put(c)
			mustConnect(t, s)
			var l ledger
			s.Send(t.Context(), Frame("secure", 1, 100_000), l.done(0))
			waitEnded(t, &l, 1)
			if l.check(t, 0, 1) != 1 {
				t.Errorf("got %v over TLS", l.ends)
			}
			closeSink(t, s)
		}
	})
	t.Run("CloseEndsHang", func(t *testing.T) {
		p := harness.StartProxy(t, addr)
		b := secured{proxy: p, newSink: func(t testing.TB) bridge.Sink { return newSink(t, p.Addr(), whole) }}
		closeEndsHang(t, b)
		p.Restore()
		closeEndsBlockedSend(t, b)
	})
}

// secured is what of a [Broker] a sink over TLS is tried with.
type secured struct {
	Broker  // none
	proxy   *harness.Proxy
	newSink func(testing.TB) bridge.Sink
}

func (s secured) NewSink(t testing.TB) bridge.Sink { return s.newSink(t) }
func (s secured) Hang()                            { s.proxy.Hang() }
func (s secured) Restore()                         { s.proxy.Restore() }

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
