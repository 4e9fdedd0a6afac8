package web_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"testing"

	"github.com/edge-video/edge-video/node/web"
	"github.com/edge-video/edge-video/test/harness"
)

// TestServer_SpeaksTLS holds a listener with a certificate to serve it to clients that trust it, by HTTP/1.1 and HTTP/2, and nobody without
// TLS or with an old version of it; and a certificate that is replaced to be served from then on.
func TestServer_SpeaksTLS(t *testing.T) {
	t.Parallel()
	certificates := harness.MakeCertificates(t)
	s, address := serve(t, web.Config{Site: "test", Certificate: certificates.Server, Key: certificates.ServerKey}, web.Parts{})
	get := func(authority string, change func(*tls.Config, *http.Protocols)) (*http.Response, error) {
		t.Helper()
		pem, err := os.ReadFile(authority)
		if err != nil {
			t.Fatal(err)
		}
		config, protocols := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: harness.ServerName}, new(http.Protocols)
		config.RootCAs.AppendCertsFromPEM(pem)
		change(config, protocols)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config, Protocols: protocols}}
		resp, err := client.Get("https://" + address + "/healthz")
		if err == nil {
			resp.Body.Close()
		}
		return resp, err
	}
	http1 := func(_ *tls.Config, p *http.Protocols) { p.SetHTTP1(true) }
	http2 := func(_ *tls.Config, p *http.Protocols) { p.SetHTTP2(true) }
	old := func(c *tls.Config, p *http.Protocols) {
		c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
		p.SetHTTP1(true)
	}
	for want, change := range map[int]func(*tls.Config, *http.Protocols){1: http1, 2: http2} {
		if r, err := get(certificates.CA, change); err != nil || r.StatusCode != http.StatusOK || r.ProtoMajor != want {
			t.Errorf("by HTTP/%d: %v %v", want, r, err)
		}
	}
	if r, err := get(certificates.CA, old); err == nil {
		t.Errorf("by TLS 1.1 it answers %d", r.StatusCode)
	}
	if r := ask(t, address, http.MethodGet, "/healthz", ""); r.StatusCode != http.StatusBadRequest {
		t.Errorf("without TLS it answers %d", r.StatusCode)
	}

	other := harness.MakeCertificates(t)
	for to, from := range map[string]string{certificates.Server: other.Server, certificates.ServerKey: other.ServerKey} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Update(web.Access{}); err != nil {
		t.Fatal(err)
	}
	if _, err := get(other.CA, http1); err != nil {
		t.Errorf("the new certificate is not served: %v", err)
	}
	if err := os.WriteFile(certificates.ServerKey, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s.Update(web.Access{}) == nil {
		t.Error("a key that is none is taken")
	}
	if _, err := get(other.CA, http1); err != nil {
		t.Errorf("the certificate before is not served any more: %v", err)
	}
}
