package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/test/harness"
)

// TestUser_MakesWhatTheConfigurationTakes holds that what is printed is an entry that loads, and that the secret is told once and elsewhere.
func TestUser_MakesWhatTheConfigurationTakes(t *testing.T) {
	for _, c := range []struct{ option, list, secret string }{{"--token", "tokens", `ev_\w{52}`}, {"--generate", "users", `\b[A-Z2-7]{26}\b`}} {
		r := execute(t, "user", "ana", "--role", "operator", c.option)
		if r.code != 0 {
			t.Fatalf("%s: exit %d: %s", c.option, r.code, r.err)
		}
		secret := regexp.MustCompile(c.secret).FindString(r.err)
		if secret == "" || strings.Contains(r.out, secret) {
			t.Errorf("%s: the secret %q is told beside\n%s", c.option, secret, r.out)
		}
		cfg, _, err := config.Parse("f.yaml", []byte("http:\n  listen: 0.0.0.0:8080\n  tls: {}\n  "+c.list+":\n"+r.out), os.LookupEnv)
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.option, err, r.out)
		}
		if len(cfg.HTTP.Users)+len(cfg.HTTP.Tokens) != 1 {
			t.Errorf("%s: got %+v", c.option, cfg.HTTP)
		}
	}
	for _, args := range [][]string{{"user", "a b", "--role", "viewer"}, {"user", "a", "--role", "root"}, {"user", "a"}} {
		if r := execute(t, args...); r.code != exitUsage {
			t.Errorf("%q: exit %d, want %d", args, r.code, exitUsage)
		}
	}
}

// notes is a log that is read while it is written.
type notes struct {
	mu   sync.Mutex
	text strings.Builder
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// TestReload_UsersTakeEffect holds a node to let in who is in the file now, and nobody else, and to say so without hashes.
func TestReload_UsersTakeEffect(t *testing.T) {
	entry := func(name string) (token, text string) {
		r := execute(t, "user", name, "--role", "viewer", "--token")
		return regexp.MustCompile(`ev_\w{52}`).FindString(r.err), r.out
	}
	old, first := entry("old")
	young, second := entry("young")
	address := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	text := fmt.Sprintf("nats: {listen: ''}\nhttp:\n  listen: %s\n  tokens:\n", address)
	path, dataDir := write(t, text+first)
	ctx, cancel := context.WithCancel(t.Context())
	var log notes
	hangup := make(chan os.Signal, 1)
	ended := make(chan int)
	go func() {
		ended <- run(ctx, hangup, []string{"run", "--config", path}, console{out: io.Discard, err: &log})
	}()
	status := func(token string) int {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/api/v1/cameras", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	harness.WaitFor(t, 20*time.Second, "the API", func() bool { return status(old) == http.StatusOK })
	if got := status(young); got != http.StatusUnauthorized {
		t.Errorf("one who is not in the file yet gets %d", got)
	}
	if err := os.WriteFile(path, []byte("data_dir: "+dataDir+"\n"+text+second), 0o600); err != nil {
		t.Fatal(err)
	}
	hangup <- syscall.SIGHUP
	harness.WaitFor(t, 20*time.Second, "the reload", func() bool { return status(young) == http.StatusOK })
	if got := status(old); got != http.StatusUnauthorized {
		t.Errorf("one who is no more in the file gets %d", got)
	}
	harness.WaitFor(t, 10*time.Second, "word of it in the log", func() bool { return strings.Contains(log.String(), "http.tokens[young]") })
	cancel()
	http.DefaultClient.CloseIdleConnections()
	if code := <-ended; code != 0 {
		t.Errorf("exit %d", code)
	}
	if strings.Contains(log.String(), "needs_restart=true") || strings.Contains(log.String(), "sha256:") {
		t.Errorf("the log says\n%s", log.String())
	}
}
