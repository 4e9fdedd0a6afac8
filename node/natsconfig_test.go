package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// withFile is a configuration whose server listens at a known address and merges a nats-server.conf of this text.
func withFile(t *testing.T, text string) node.ServerConfig {
	t.Helper()
	c := serverConfig(t)
	c.Listen = address(harness.FreePort(t))
	c.File = filepath.Join(t.TempDir(), "nats-server.conf")
	if err := os.WriteFile(c.File, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNATSConfig_UsersShareTheStreamsAndOthersStayOut(t *testing.T) {
	viewer := nats.UserInfo("viewer", "secret")
	for _, c := range []struct {
		name, file string
	}{
		{"accounts", `accounts {
			SYS: { users: [{user: admin, password: a}] }
			FRAMES: { jetstream: enabled, users: [{user: viewer, password: secret}] }
		}
		system_account: SYS`},
		{"one account of another name", `accounts { CAMERAS: { jetstream: enabled, users: [{user: viewer, password: secret}] } }`},
		{"several accounts, one called FRAMES", `accounts {
			OFFICE: { users: [{user: clerk, password: c}] }
			FRAMES: { jetstream: enabled, users: [{user: viewer, password: secret}] }
		}`},
		{"one user", `authorization { user: viewer, password: secret }`},
		{"users", `authorization { users: [{user: viewer, password: secret}, {user: other, password: o}] }`},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := withFile(t, c.file)
			s, _ := startServer(t, config)
			if _, err := jetStream(t, s).Publish(t.Context(), "frames.test.cam", []byte("x")); err != nil {
				t.Errorf("publishing in process: %v", err)
			}
			if _, err := outside(t, config.Listen); err == nil {
				t.Error("a stranger could connect")
			}
			if _, err := outside(t, config.Listen, nats.UserInfo("viewer", "wrong")); err == nil {
				t.Error("a wrong password did")
			}
			nc, err := outside(t, config.Listen, viewer)
			if err != nil {
				t.Fatalf("connecting as the user: %v", err)
			}
			js, err := jetstream.New(nc)
			if err != nil {
				t.Fatal(err)
			}
			stream, err := js.Stream(t.Context(), schema.StreamFrames)
			if err != nil {
				t.Fatalf("looking at the stream as the user: %v", err)
			}
			if got := stream.CachedInfo().State.Msgs; got != 1 {
				t.Errorf("the user sees %d messages, want 1", got)
			}
		})
	}
}

func TestNATSConfig_OtherUsersOfTheProcessKeyStayOut(t *testing.T) {
	config := withFile(t, `authorization { user: viewer, password: secret }`)
	startServer(t, config)
	stranger, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := stranger.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := outside(t, config.Listen, nats.Nkey(public, stranger.Sign)); err == nil {
		t.Error("a key of its own let a stranger in")
	}
}

func TestNATSConfig_AccountsWithoutUsersKeepTheStreams(t *testing.T) {
	config := withFile(t, `accounts { FRAMES: { jetstream: enabled } }`)
	s, _ := startServer(t, config)
	if _, err := jetStream(t, s).Publish(t.Context(), "frames.test.cam", []byte("x")); err != nil {
		t.Error(err)
	}
	if _, err := outside(t, config.Listen); err == nil {
		t.Error("a stranger could connect")
	}
}

func TestNATSConfig_WhatCannotWorkIsSaid(t *testing.T) {
	operator, err := nkeys.CreateOperator()
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := operator.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, file string
		want       []string
	}{
		{"several accounts, none of them FRAMES", `accounts {
			A: { jetstream: enabled, users: [{user: a, password: a}] }
			B: { users: [{user: b, password: b}] }
		}`, []string{"nats.config", "several accounts", "FRAMES"}},
		{"account without JetStream", `accounts { FRAMES: { users: [{user: a, password: a}] } }`, []string{"enable jetstream", "nats.config"}},
		{"token", `authorization { token: "letmein" }`, []string{"nats.config", "token", "users"}},
		{"syntax", "port: 4222\naccounts {", []string{"nats.config", "nats-server.conf"}},
		{"unknown key", "max_paylod: 8MB", []string{"nats.config", "nats-server.conf", "max_paylod"}},
		{"payload below the largest frame", `max_payload: 500KB`, []string{"nats.config", "max_payload", "capture.max_frame"}},
		{"operator mode", fmt.Sprintf("trusted_keys: %q", trusted), []string{"nats.config", "operator mode", "accounts and users"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantError(t, refused(t, withFile(t, c.file)), c.want...)
		})
	}
	t.Run("no file", func(t *testing.T) {
		c := serverConfig(t)
		c.File = filepath.Join(t.TempDir(), "absent.conf")
		wantError(t, refused(t, c), "nats.config", "absent.conf")
	})
}

// TestNATSConfig_WarningsAreNoErrors keeps files working of which a plain nats-server only warns.
func TestNATSConfig_WarningsAreNoErrors(t *testing.T) {
	config := withFile(t, "write_deadline: 5\nmax_connections: 20")
	startServer(t, config)
	if _, err := outside(t, config.Listen); err != nil {
		t.Errorf("the server does not answer: %v", err)
	}
}

func TestNATSConfig_OtherProtocolsOpen(t *testing.T) {
	websocket, mqtt, monitor := harness.FreePort(t), harness.FreePort(t), harness.FreePort(t)
	config := withFile(t, fmt.Sprintf("websocket { host: 127.0.0.1, port: %d, no_tls: true }\nmqtt { host: 127.0.0.1, port: %d }\nhttp: 127.0.0.1:%d\n",
		websocket, mqtt, monitor))
	startServer(t, config)
	for _, port := range []int{websocket, mqtt, monitor} {
		dial(t, address(port))
	}
	nc, err := nats.Connect("ws://"+address(websocket), nats.MaxReconnects(0), nats.Timeout(5*time.Second))
	if err != nil {
		t.Fatalf("connecting by websocket: %v", err)
	}
	nc.Close()
}

// TestNATSConfig_FileWinsOverTheListenAddress lets the operator's file say where clients connect.
func TestNATSConfig_FileWinsOverTheListenAddress(t *testing.T) {
	other := address(harness.FreePort(t))
	config := withFile(t, "listen: "+other)
	startServer(t, config)
	if _, err := outside(t, other); err != nil {
		t.Errorf("at the file's address: %v", err)
	}
	// Its port in use is found only by the server itself.
	wantError(t, refused(t, withFile(t, "listen: "+other)), "in use", other)
}
