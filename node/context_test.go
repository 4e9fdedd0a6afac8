package node_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// cliContext is what the nats CLI reads of a context.
type cliContext struct {
	Description, URL, NKey, CA string
}

// readContext reads a file of the data directory, which nobody else may.
func readContext(t *testing.T, dir, name string) (c cliContext) {
	t.Helper()
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, c.NKey} {
		if file == "" {
			continue
		}
		if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s is for others: %v, %v", file, st, err)
		}
	}
	return c
}

// connect goes in by a context, as the nats CLI does.
func (c cliContext) connect(t *testing.T, o ...nats.Option) *nats.Conn {
	t.Helper()
	if c.NKey != "" {
		key, err := nats.NkeyOptionFromSeed(c.NKey)
		if err != nil {
			t.Fatal(err)
		}
		o = append(o, key)
	}
	if c.CA != "" {
		o = append(o, nats.RootCAs(c.CA))
	}
	nc, err := nats.Connect(c.URL, append(o, nats.MaxReconnects(0), nats.Timeout(5*time.Second))...)
	if err != nil {
		t.Fatalf("connecting to %s: %v", c.URL, err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// mustSeeFrames holds a connection to be one of the account that has the streams.
func mustSeeFrames(t *testing.T, nc *nats.Conn) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Stream(t.Context(), schema.StreamFrames); err != nil {
		t.Errorf("looking at the stream: %v", err)
	}
}

func TestContext_LetsWhoMayReadTheDirectoryIn(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		user bool
	}{
		"no accounts":       {"", false},
		"users":             {"authorization { users: [{user: viewer, password: secret}] }", true},
		"accounts":          {"accounts { SYS: { users: [{user: admin, password: a}] }, FRAMES: { jetstream: enabled } }\nsystem_account: SYS", true},
		"everywhere":        {"authorization { users: [{user: viewer, password: secret}] }\nhost: 0.0.0.0", true},
		"websockets beside": {fmt.Sprintf("websocket { host: 127.0.0.1, port: %d, no_tls: true }", harness.FreePort(t)), false},
	} {
		t.Run(name, func(t *testing.T) {
			config := withFile(t, c.file)
			startServer(t, config)
			frames := readContext(t, config.DataDir, "nats.json")
			if (frames.NKey != "") != c.user || !strings.HasPrefix(frames.URL, "nats://127.0.0.1:") {
				t.Errorf("the context is %+v", frames)
			}
			mustSeeFrames(t, frames.connect(t))
			url, options, err := node.ReadContext(config.DataDir)
			if err != nil {
				t.Fatal(err)
			}
			nc, err := nats.Connect(url, options...)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			mustSeeFrames(t, nc)
			system := readContext(t, config.DataDir, "nats-system.json").connect(t)
			if _, err := system.Request("$SYS.REQ.SERVER.PING", nil, 5*time.Second); err != nil {
				t.Errorf("asking the server of itself: %v", err)
			}
		})
	}
}

// TestContext_OthersStayOutOfTheSystemAccount holds what needs no credentials to frames alone.
func TestContext_OthersStayOutOfTheSystemAccount(t *testing.T) {
	config := withFile(t, "")
	startServer(t, config)
	nc, err := outside(t, config.Listen)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Request("$SYS.REQ.SERVER.PING", nil, time.Second); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("whoever shows no credentials is answered: %v", err)
	}
}

// TestContext_TrustsTheServersCertificateAlone needs no authority's certificate, and names the server as the certificate does.
func TestContext_TrustsTheServersCertificateAlone(t *testing.T) {
	certs := harness.MakeCertificates(t)
	config := withFile(t, fmt.Sprintf("tls { cert_file: %q, key_file: %q }\nauthorization { users: [{user: viewer, password: secret}] }", certs.Server, certs.ServerKey))
	startServer(t, config)
	c := readContext(t, config.DataDir, "nats.json")
	if want := "tls://" + harness.ServerName + ":"; !strings.HasPrefix(c.URL, want) {
		t.Errorf("the URL is %q, want %s...", c.URL, want)
	}
	c.URL = "tls://" + config.Listen // the name is known to nobody
	mustSeeFrames(t, c.connect(t, nats.Secure(&tls.Config{ServerName: harness.ServerName, MinVersion: tls.VersionTLS12})))
}

func TestContext_WebsocketIsTakenWhereNothingElseListens(t *testing.T) {
	config := withFile(t, fmt.Sprintf("websocket { host: 127.0.0.1, port: %d, no_tls: true }", harness.FreePort(t)))
	config.Listen = ""
	startServer(t, config)
	c := readContext(t, config.DataDir, "nats.json")
	if !strings.HasPrefix(c.URL, "ws://127.0.0.1:") {
		t.Errorf("the URL is %q", c.URL)
	}
	mustSeeFrames(t, c.connect(t))
}

// TestContext_FollowsWhatListens replaces its own file, takes it away, and leaves one of somebody else's.
func TestContext_FollowsWhatListens(t *testing.T) {
	config := serverConfig(t)
	path := filepath.Join(config.DataDir, "nats.json")
	_, stop := startServer(t, config)
	before := readContext(t, config.DataDir, "nats.json")
	stop()
	_, stop = startServer(t, config)
	if after := readContext(t, config.DataDir, "nats.json"); after.URL == before.URL {
		t.Errorf("the context still names %s", before.URL)
	}
	stop()
	config.Listen = ""
	_, stop = startServer(t, config)
	if files, err := filepath.Glob(filepath.Join(config.DataDir, "nats*")); err != nil || len(files) > 0 {
		t.Errorf("files that lead nowhere: %v, %v", files, err)
	}
	stop()
	const foreign = `{"description": "mine", "url": "nats://elsewhere:4222"}`
	if err := os.WriteFile(path, []byte(foreign), 0o600); err != nil {
		t.Fatal(err)
	}
	config.Listen = "127.0.0.1:0"
	startServer(t, config)
	if text, err := os.ReadFile(path); err != nil || string(text) != foreign {
		t.Errorf("the file is %s, %v", text, err)
	}
	if _, _, err := node.ReadContext(config.DataDir); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("reading it: %v", err)
	}
	if _, err := os.Stat(filepath.Join(config.DataDir, "nats.nk")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a seed was left beside somebody else's file: %v", err)
	}
}

// TestContext_TheLogHasTheCommandAndNoSecret reads all that a node logs.
func TestContext_TheLogHasTheCommandAndNoSecret(t *testing.T) {
	config := withFile(t, "authorization { users: [{user: viewer, password: secret}] }")
	var log bytes.Buffer
	s, err := node.NewServer(config, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-s.Ready()
	var seeds []string
	for _, name := range []string{"nats.json", "nats-system.json"} {
		seed, err := os.ReadFile(readContext(t, config.DataDir, name).NKey)
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, strings.TrimSpace(string(seed)))
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if want := "nats --context " + node.ContextFile(config.DataDir); !strings.Contains(log.String(), want) {
		t.Errorf("the log does not say %q:\n%s", want, &log)
	}
	for _, seed := range seeds {
		if strings.Contains(log.String(), seed) {
			t.Error("the log holds a seed")
		}
	}
}
