package harness

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// MosquittoOptions are what a test may want of Mosquitto. The zero value lets everyone in.
type MosquittoOptions struct {
	Password string        // of the user guest, where not empty; nobody else is let in then
	TLS      *Certificates // listens for mqtts as well, and asks clients for a certificate
	Config   []string      // further lines of mosquitto.conf, as in "message_size_limit 65536"
}

// Mosquitto is a Mosquitto of the test's own. What it confirmed survives Stop, but not Kill: it writes its state when it ends.
type Mosquitto struct {
	*service
	port     int
	tls      int // port for mqtts, 0 is none
	password string
}

// StartMosquitto starts a Mosquitto and returns when it listens.
func StartMosquitto(t testing.TB, o MosquittoOptions) *Mosquitto {
	t.Helper()
	m := &Mosquitto{port: FreePort(t), password: o.Password}
	dir := t.TempDir()
	lines := []string{
		fmt.Sprintf("listener %d 127.0.0.1", m.port),
		"user root", // it would change to a user that may not write here
		"persistence true",
		"persistence_location " + dir + "/",
		"max_queued_messages 1000000", // 0 would be no bound, but then 2.0 ends the connection over each message it refuses
		"log_dest stderr",
		"log_type error",
		"log_type warning",
		"log_type notice",
		"log_type subscribe",
		fmt.Sprintf("allow_anonymous %t", o.Password == ""),
	}
	if o.Password != "" {
		users := filepath.Join(dir, "users")
		writeFile(t, users, "guest:"+o.Password+"\n")
		if out, err := exec.Command("mosquitto_passwd", "-U", users).CombinedOutput(); err != nil { // hashes what is there
			t.Fatalf("mosquitto_passwd: %v: %s", err, out)
		}
		lines = append(lines, "password_file "+users)
	}
	if c := o.TLS; c != nil {
		m.tls = FreePort(t)
		lines = append(lines, fmt.Sprintf("listener %d 127.0.0.1", m.tls), "cafile "+c.CA, "certfile "+c.Server, "keyfile "+c.ServerKey,
			"require_certificate true")
	}
	config := filepath.Join(dir, "mosquitto.conf")
	writeFile(t, config, strings.Join(append(lines, o.Config...), "\n")+"\n")
	m.service = newService(t, program{
		name: "mosquitto", pkg: "mosquitto", path: "/usr/sbin/mosquitto", args: []string{"-c", config}, dir: dir,
	}, func() error { return dialTCP(m.Addr()) })
	m.timeout = 20 * time.Second
	m.Start()
	return m
}

// Addr is where it listens.
func (m *Mosquitto) Addr() string { return hostPort(m.port) }

// TLSAddr is where it listens for TLS.
func (m *Mosquitto) TLSAddr() string { return hostPort(m.tls) }

// URL is its URL, with user and password where it asks for them.
func (m *Mosquitto) URL() string { return m.URLAt(m.Addr()) }

// URLAt is like URL with another address, such as a proxy's.
func (m *Mosquitto) URLAt(addr string) string {
	u := url.URL{Scheme: "mqtt", Host: addr}
	if m.password != "" {
		u.User = url.UserPassword("guest", m.password)
	}
	return u.String()
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
