package web_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/crypto/bcrypt"

	"github.com/edge-video/edge-video/node/web"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

func noServer(string) (*nats.Conn, error) { return nil, errors.New("there is no server") }

func access(t testing.TB) (a web.Access, token string) {
	t.Helper()
	for name, role := range map[string]web.Role{"ana": web.Operator, "vic": web.Viewer} {
		hash, err := bcrypt.GenerateFromPassword([]byte(name+"-password"), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		a.Users = append(a.Users, web.User{Name: name, Role: role, PasswordHash: string(hash)})
	}
	token = web.NewToken()
	a.Tokens = []web.Token{{Name: "wall", Role: web.Viewer, TokenHash: web.HashToken(token)}}
	return a, token
}

// TestAccess_RolesAndProbes holds callers to what their role allows, and everyone else to the probes, which then give no reasons.
func TestAccess_RolesAndProbes(t *testing.T) {
	t.Parallel()
	a, token := access(t)
	s, address := serve(t, web.Config{Site: "test", Access: a}, web.Parts{Connect: noServer})
	for _, c := range []struct {
		method, path, credentials string
		want                      int
	}{
		{"GET", "/healthz", "", 200},
		{"GET", "/readyz", "", 503},
		{"GET", "/metrics", "", 401},
		{"GET", "/api/v1/sites", "", 401},
		{"GET", "/api/v1/nothing", "", 401},
		{"GET", "/api/v1/sites", "ana:ana-password", 200},
		{"GET", "/api/v1/sites", "vic:vic-password", 200},
		{"GET", "/metrics", "vic:vic-password", 200},
		{"GET", "/api/v1/sites", "vic:ana-password", 401},
		{"GET", "/api/v1/sites", "nobody:ana-password", 401},
		{"GET", "/api/v1/sites", "Bearer " + token, 200},
		{"GET", "/api/v1/sites", "wall:" + token, 200},
		{"GET", "/api/v1/sites", "Bearer " + token + "x", 401},
		{"GET", "/api/v1/sites", "Bearer " + a.Tokens[0].TokenHash, 401},
		{"GET", "/readyz", "vic:ana-password", 401},
		{"POST", "/api/v1/reload", "vic:vic-password", 403},
		{"POST", "/api/v1/reload", "Bearer " + token, 403},
		{"POST", "/api/v1/reload", "ana:ana-password", 503}, // there is no JetStream
	} {
		r := ask(t, address, c.method, c.path, "", credentials(c.credentials)...)
		if r.StatusCode != c.want {
			t.Errorf("%s %s with %q: status %d, want %d", c.method, c.path, c.credentials, r.StatusCode, c.want)
		}
		if c.want == 401 {
			r.refused(t, 401, "credentials")
			if !strings.Contains(strings.Join(r.Header.Values("WWW-Authenticate"), " "), "Basic realm") {
				t.Errorf("%s: no Basic challenge in %v", c.path, r.Header)
			}
		}
		if known := strings.Contains(string(r.body), "secret"); c.path == "/readyz" && known {
			t.Errorf("/readyz tells everyone: %s", r.body)
		}
	}
	if r := ask(t, address, "GET", "/readyz", "", credentials("vic:vic-password")...); !strings.Contains(string(r.body), "a secret reason") {
		t.Errorf("/readyz keeps the reasons from a viewer: %s", r.body)
	}
	a.Users = a.Users[:0:0]
	if err := s.Update(a); err != nil {
		t.Fatal(err)
	}
	if r := ask(t, address, "GET", "/api/v1/sites", "", credentials("vic:vic-password")...); r.StatusCode != 401 {
		t.Errorf("a user that has gone still gets %d", r.StatusCode)
	}
}

// TestUpdate_EndsWhatIsSentToThoseWhoHaveGone holds answers without an end to whoever is no longer let in, or in another role, to end at
// once; others go on.
func TestUpdate_EndsWhatIsSentToThoseWhoHaveGone(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.camera("dock-1", schema.CameraUp)
	harness.WaitFor(t, 5*time.Second, "the camera", func() bool { return s.get("/api/v1/cameras/dock-1").StatusCode == http.StatusOK })
	follow := func(who string) (ended chan struct{}) {
		ended = make(chan struct{})
		var all sync.WaitGroup
		for _, path := range []string{"watch", "events", "cameras/dock-1/live.mjpeg"} {
			before := web.Streams(s.web)
			all.Go(func() {
				ask(t, s.address, "GET", "/api/v1/"+path, "", append(credentials(who), "Accept", "text/event-stream")...)
			})
			harness.WaitFor(t, 5*time.Second, "a stream", func() bool { return web.Streams(s.web) == before+1 })
		}
		go func() {
			all.Wait()
			close(ended)
		}()
		return ended
	}
	update := func(a web.Access, left int) {
		t.Helper()
		if err := s.web.Update(a); err != nil {
			t.Fatal(err)
		}
		harness.WaitFor(t, 5*time.Second, "streams to end", func() bool { return web.Streams(s.web) == left })
	}
	everyone := follow("")
	a, token := access(t)
	update(a, 0)
	<-everyone
	ana, vic, wall := follow("ana:ana-password"), follow("vic:vic-password"), follow("Bearer "+token)
	update(a, 9)
	a.Users = slices.DeleteFunc(slices.Clone(a.Users), func(u web.User) bool { return u.Name == "vic" })
	update(a, 6)
	<-vic
	a.Users = slices.Clone(a.Users)
	a.Users[0].Role = web.Viewer
	update(a, 3)
	<-ana
	a.Tokens = nil
	update(a, 0)
	<-wall
}

func credentials(c string) []string {
	if c == "" {
		return nil
	}
	if strings.HasPrefix(c, "Bearer ") {
		return []string{"Authorization", c}
	}
	r := &http.Request{Header: http.Header{}}
	name, password, _ := strings.Cut(c, ":")
	r.SetBasicAuth(name, password)
	return []string{"Authorization", r.Header.Get("Authorization")}
}

// TestAccess_GuessingIsSlow holds an address that shows wrong credentials to few tries, without shutting out who is known.
func TestAccess_GuessingIsSlow(t *testing.T) {
	t.Parallel()
	a, token := access(t)
	_, address := serve(t, web.Config{Site: "test", Access: a}, web.Parts{Connect: noServer})
	if r := ask(t, address, "GET", "/api/v1/sites", "", credentials("vic:vic-password")...); r.StatusCode != 200 {
		t.Fatalf("got %d", r.StatusCode)
	}
	refused := 0
	for range 30 {
		r := ask(t, address, "GET", "/api/v1/sites", "", "Authorization", "Bearer wrong")
		if r.StatusCode == http.StatusTooManyRequests {
			refused++
			r.refused(t, http.StatusTooManyRequests, "too many wrong credentials")
			if r.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
	}
	if refused < 15 {
		t.Errorf("%d of 30 guesses were put off, want most", refused)
	}
	if r := ask(t, address, "GET", "/api/v1/sites", "", "Authorization", "Bearer "+token); r.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a right guess after many wrong ones is answered with %d, which tells it from a wrong one", r.StatusCode)
	}
	if r := ask(t, address, "GET", "/api/v1/sites", "", credentials("vic:vic-password")...); r.StatusCode != 200 {
		t.Errorf("one who is known gets %d", r.StatusCode)
	}
}

func TestHash_RefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	if _, err := web.HashPassword("short"); err == nil {
		t.Error("a password of five letters is taken")
	}
	for _, bad := range []string{"", "x", "sha256:", "sha256:zz", web.HashToken("t")[:70]} {
		if web.CheckTokenHash(bad) == nil || web.CheckPasswordHash(bad) == nil {
			t.Errorf("%q passes for a hash", bad)
		}
	}
	hash, err := web.HashPassword("long enough")
	if err != nil || web.CheckPasswordHash(hash) != nil || web.CheckTokenHash(web.HashToken("t")) != nil {
		t.Errorf("a hash is refused: %v", err)
	}
}
