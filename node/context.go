package node

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// ContextFile is the file of a node's data directory that has the nats CLI reach it, by --context or NATS_CONTEXT. It is for whoever may
// read the directory.
func ContextFile(dataDir string) string { return filepath.Join(dataDir, "nats.json") }

// systemContextFile is the same for the system account, which server reports are asked of.
func systemContextFile(dataDir string) string { return filepath.Join(dataDir, "nats-system.json") }

// contextMark begins the description of a file that the node has written, and may replace.
const contextMark = "edge-video: "

// cliContext is a file of the nats CLI, as far as the node needs it.
type cliContext struct {
	Description string `json:"description"`
	URL         string `json:"url"`
	NKey        string `json:"nkey,omitempty"` // file
	CA          string `json:"ca,omitempty"`   // file
	TLSFirst    bool   `json:"tls_first,omitempty"`
}

// errForeignContext says that somebody has put a file of his own where the node writes one.
var errForeignContext = errors.New("the file is not the node's")

// writeContexts has the nats CLI find the server that runs now with these options, and reports whether it does. Without it everything else
// works, so a fault is only told.
func (s *Server) writeContexts(srv *server.Server, o *server.Options) bool {
	d := doorOf(srv, o)
	dir, err := filepath.Abs(s.config.DataDir)
	switch {
	case err != nil:
	case d == nil:
		err = errors.Join(removeContext(ContextFile(dir)), removeContext(systemContextFile(dir)))
	default:
		err = s.writeContextsFor(d, dir, o)
	}
	if err != nil {
		s.log.Warn("no context for the nats CLI", "err", err)
	}
	return err == nil && d != nil
}

// showContext says how to look inside.
func (s *Server) showContext(o *server.Options) {
	dir, err := filepath.Abs(s.config.DataDir)
	if err != nil {
		return
	}
	command := "nats --context " + ContextFile(dir)
	if c := o.TLSConfig; c != nil && c.ClientAuth >= tls.RequireAnyClientCert {
		command += " --tlscert FILE --tlskey FILE" // a certificate for clients is nothing that the node has
	}
	s.log.Info("to look inside", "command", command+" stream report")
}

func (s *Server) writeContextsFor(d *door, dir string, o *server.Options) error {
	base := cliContext{URL: d.url(), TLSFirst: d.first}
	if d.tls != nil {
		base.CA = filepath.Join(dir, "nats-ca.pem")
		if err := replaceFile(base.CA, d.certificates()); err != nil {
			return fmt.Errorf("writing the certificate: %w", err)
		}
	}
	frames, system := base, base
	frames.Description = fmt.Sprintf("%sframes of %s, node %s; written at each start", contextMark, s.config.Site, s.config.Node)
	var key *user
	if o.NoAuthUser != s.users.anonymous.name {
		key = &s.users.operator
	}
	system.Description = fmt.Sprintf("%sserver of %s, node %s; written at each start", contextMark, s.config.Site, s.config.Node)
	err := writeContext(ContextFile(dir), frames, key)
	if o.NoSystemAccount {
		return errors.Join(err, removeContext(systemContextFile(dir)))
	}
	return errors.Join(err, writeContext(systemContextFile(dir), system, &s.users.system))
}

// writeContext replaces a file, and that of its user's seed, unless somebody else has written it.
func writeContext(name string, c cliContext, key *user) error {
	if err := ownContext(name); err != nil {
		return err
	}
	seedFile := strings.TrimSuffix(name, ".json") + ".nk"
	if key != nil {
		seed, err := key.Seed()
		if err != nil {
			return fmt.Errorf("writing the seed for %s: %w", name, err)
		}
		if err := replaceFile(seedFile, append(seed, '\n')); err != nil {
			return fmt.Errorf("writing the seed for %s: %w", name, err)
		}
		c.NKey = seedFile
	} else if err := os.Remove(seedFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the seed of %s: %w", name, err)
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name, err)
	}
	if err := replaceFile(name, append(text, '\n')); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// removeContext takes away a file of ours that leads nowhere any more.
func removeContext(name string) error {
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) || ownContext(name) != nil {
		return nil
	}
	return errors.Join(os.Remove(name), os.RemoveAll(strings.TrimSuffix(name, ".json")+".nk"))
}

// ownContext fails where there is a file that the node has not written.
func ownContext(name string) error {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	var c cliContext
	if json.Unmarshal(text, &c) != nil || !strings.HasPrefix(c.Description, contextMark) {
		return fmt.Errorf("%s stays as it is: %w; move it elsewhere to get one", name, errForeignContext)
	}
	return nil
}

// door is the listener by which clients on this machine come in.
type door struct {
	scheme string
	host   string
	port   int
	tls    *tls.Config // nil where the connection is not encrypted
	first  bool        // TLS before anything else
}

// doorOf is the listener for clients, else that for websockets, else nil.
func doorOf(srv *server.Server, o *server.Options) *door {
	if at, ok := srv.Addr().(*net.TCPAddr); ok && at != nil {
		d := &door{scheme: "nats", host: here(o.Host), port: at.Port}
		if o.TLSConfig != nil {
			d.scheme, d.tls, d.first = "tls", o.TLSConfig, o.TLSHandshakeFirst
		}
		return d
	}
	if w := o.Websocket; w.Port > 0 {
		d := &door{scheme: "ws", host: here(w.Host), port: w.Port}
		if !w.NoTLS {
			d.scheme, d.tls = "wss", w.TLSConfig
		}
		return d
	}
	return nil
}

// here is an address at which this machine finds its own listener.
func here(host string) string {
	ip := net.ParseIP(host)
	switch {
	case host == "" || ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		return "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		return "::1"
	}
	return host
}

// url names the server so that its certificate is valid for it, where that can be.
func (d *door) url() string {
	host := d.host
	if cert := d.certificate(); cert != nil && cert.VerifyHostname(host) != nil {
		names := []string{"localhost"}
		names = append(names, cert.DNSNames...)
		for _, ip := range cert.IPAddresses {
			names = append(names, ip.String())
		}
		for _, name := range names {
			if !strings.Contains(name, "*") && cert.VerifyHostname(name) == nil {
				host = name
				break
			}
		}
	}
	return d.scheme + "://" + net.JoinHostPort(host, strconv.Itoa(d.port))
}

// certificate is the server's own, nil without TLS.
func (d *door) certificate() *x509.Certificate {
	if d.tls == nil || len(d.tls.Certificates) == 0 {
		return nil
	}
	chain := d.tls.Certificates[0]
	if chain.Leaf != nil {
		return chain.Leaf
	}
	cert, err := x509.ParseCertificate(chain.Certificate[0])
	if err != nil {
		return nil
	}
	return cert
}

// certificates are what the server shows of itself: to trust just them needs no authority, and no other.
func (d *door) certificates() (text []byte) {
	if len(d.tls.Certificates) == 0 {
		return nil
	}
	for _, c := range d.tls.Certificates[0].Certificate {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})...)
	}
	return text
}

// ReadContext is how a program on the node's machine reaches its server, by the context file. The error wraps fs.ErrNotExist where there is
// none, and fs.ErrPermission where it is not for this user.
func ReadContext(dataDir string) (url string, options []nats.Option, err error) {
	text, err := os.ReadFile(ContextFile(dataDir))
	if err != nil {
		return "", nil, fmt.Errorf("reading the node's context: %w", err)
	}
	var c cliContext
	if err := json.Unmarshal(text, &c); err != nil {
		return "", nil, fmt.Errorf("reading the node's context: %w", err)
	}
	if !strings.HasPrefix(c.Description, contextMark) {
		return "", nil, fmt.Errorf("reading the node's context %s: %w", ContextFile(dataDir), errForeignContext)
	}
	if c.NKey != "" {
		key, err := nats.NkeyOptionFromSeed(c.NKey)
		if err != nil {
			return "", nil, fmt.Errorf("reading the node's context: %w", err)
		}
		options = append(options, key)
	}
	if c.CA != "" {
		options = append(options, nats.RootCAs(c.CA))
	}
	if c.TLSFirst {
		options = append(options, nats.TLSHandshakeFirst())
	}
	return c.URL, options, nil
}

// replaceFile writes a file for its owner alone, as a whole, in a folder that it makes where there is none.
func replaceFile(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
