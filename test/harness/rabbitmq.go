package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// rabbitmqBin holds the scripts themselves: those in PATH change to the user rabbitmq and its one node.
const rabbitmqBin = "/usr/lib/rabbitmq/bin/"

// RabbitMQOptions are what a test may want of RabbitMQ.
type RabbitMQOptions struct {
	Config []string       // further lines of rabbitmq.conf, as in "max_message_size = 65536"
	TLS    *Certificates  // listens for amqps as well, and asks clients for a certificate
	Users  []RabbitMQUser // beside guest, who may do everything in every virtual host
}

// RabbitMQUser is a user with the password [RabbitMQPassword] and what he may do in one virtual host, which is made for him; "" is none.
type RabbitMQUser struct {
	Name, VHost            string
	Configure, Write, Read string // regular expressions of exchanges and queues
}

// RabbitMQPassword is that of the users a test adds.
const RabbitMQPassword = "hunter2"

// RabbitMQ is a RabbitMQ node of the test's own, with an epmd of its own.
type RabbitMQ struct {
	*service
	dir  string
	node string
	env  []string
	port int
	tls  int // port for amqps, 0 is none
}

// StartRabbitMQ starts a node and returns when it takes connections. That takes seconds: share it between subtests.
func StartRabbitMQ(t testing.TB, o RabbitMQOptions) *RabbitMQ {
	t.Helper()
	r := &RabbitMQ{dir: t.TempDir(), port: FreePort(t)}
	r.node = fmt.Sprintf("edge-video-%d@localhost", r.port)
	epmdPort := FreePort(t)
	lines := append(rabbitmqConf(), o.Config...)
	if c := o.TLS; c != nil {
		r.tls = FreePort(t)
		lines = append(lines, "listeners.ssl.1 = "+hostPort(r.tls), "ssl_options.cacertfile = "+c.CA, "ssl_options.certfile = "+c.Server,
			"ssl_options.keyfile = "+c.ServerKey, "ssl_options.verify = verify_peer", "ssl_options.fail_if_no_peer_cert = true")
	}
	if len(o.Users) > 0 {
		lines = append(lines, "load_definitions = "+filepath.Join(r.dir, "definitions.json"))
		r.write(t, "definitions.json", definitions(t, o.Users), 0o600)
	}
	r.write(t, "rabbitmq.conf", strings.Join(lines, "\n")+"\n", 0o600)
	r.write(t, "enabled_plugins", "[].\n", 0o600)
	r.write(t, ".erlang.cookie", "edge-video-test", 0o400)
	r.env = r.environment(epmdPort, FreePort(t))
	startEPMD(t, r.dir, epmdPort)
	r.service = newService(t, program{
		name: "rabbitmq-server", pkg: "rabbitmq-server", path: rabbitmqBin + "rabbitmq-server", env: r.env, dir: r.dir,
	}, r.dial)
	r.Start()
	return r
}

func rabbitmqConf() []string {
	return []string{
		"log.console = true",
		"log.console.level = warning",
		"log.file = false",
		"disk_free_limit.absolute = 50MB",
		"loopback_users = none",
	}
}

func (r *RabbitMQ) environment(epmdPort, distPort int) []string {
	return []string{
		"RABBITMQ_NODENAME=" + r.node,
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		fmt.Sprintf("RABBITMQ_NODE_PORT=%d", r.port),
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", distPort),
		"RABBITMQ_BASE=" + r.dir,
		"RABBITMQ_HOME_DIR=" + r.dir,
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(r.dir, "mnesia"),
		"RABBITMQ_LOG_BASE=" + filepath.Join(r.dir, "log"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + filepath.Join(r.dir, "generated"),
		"RABBITMQ_PLUGINS_EXPAND_DIR=" + filepath.Join(r.dir, "plugins"),
		"RABBITMQ_PID_FILE=" + filepath.Join(r.dir, "pid"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(r.dir, "enabled_plugins"),
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(r.dir, "rabbitmq.conf"),
		"RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
		// any free port instead of a fixed range, for rabbitmqctl
		"RABBITMQ_CTL_DIST_PORT_MIN=0",
		"RABBITMQ_CTL_DIST_PORT_MAX=0",
		"ERL_CRASH_DUMP_BYTES=0",
		fmt.Sprintf("ERL_EPMD_PORT=%d", epmdPort),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		// makes the start script become the node, instead of waiting for it in a shell
		"RUNNING_UNDER_SYSTEMD=true",
	}
}

// definitions are users and virtual hosts as the broker reads them when it starts, which costs nothing beside a command for each.
func definitions(t testing.TB, users []RabbitMQUser) string {
	t.Helper()
	type object map[string]string
	guest := func(vhost string) object {
		return object{"user": "guest", "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}
	}
	all := map[string][]object{
		"users":       {{"name": "guest", "password": "guest", "tags": "administrator"}},
		"vhosts":      {{"name": "/"}},
		"permissions": {guest("/")},
	}
	seen := map[string]bool{"": true, "/": true}
	for _, u := range users {
		all["users"] = append(all["users"], object{"name": u.Name, "password": RabbitMQPassword, "tags": ""})
		if !seen[u.VHost] {
			seen[u.VHost] = true
			all["vhosts"] = append(all["vhosts"], object{"name": u.VHost})
			all["permissions"] = append(all["permissions"], guest(u.VHost))
		}
		if u.VHost != "" {
			all["permissions"] = append(all["permissions"],
				object{"user": u.Name, "vhost": u.VHost, "configure": u.Configure, "write": u.Write, "read": u.Read})
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// startEPMD runs Erlang's port mapper in the foreground, for otherwise the node starts one that outlives the test.
func startEPMD(t testing.TB, dir string, port int) {
	t.Helper()
	s := newService(t, program{
		name: "epmd", pkg: "erlang-base", path: "epmd", dir: dir,
		args: []string{"-port", fmt.Sprint(port), "-address", "127.0.0.1"},
	}, func() error { return dialTCP(hostPort(port)) })
	s.Start()
}

// Addr is where it listens for AMQP.
func (r *RabbitMQ) Addr() string { return hostPort(r.port) }

// URL is the AMQP URL of the default virtual host, with user and password.
func (r *RabbitMQ) URL() string { return r.URLAt(r.Addr()) }

// URLAt is like URL with another address, such as a proxy's.
func (r *RabbitMQ) URLAt(addr string) string {
	return (&url.URL{Scheme: "amqp", User: url.UserPassword("guest", "guest"), Host: addr, Path: "/"}).String()
}

// TLSAddr is where it listens for AMQP over TLS.
func (r *RabbitMQ) TLSAddr() string { return hostPort(r.tls) }

// UserURL is the AMQP URL of a virtual host for a user of the options.
func (r *RabbitMQ) UserURL(user, vhost string) string {
	return fmt.Sprintf("amqp://%s:%s@%s/%s", user, RabbitMQPassword, r.Addr(), url.PathEscape(vhost))
}

// Dial connects to it. The connection is closed when the test ends.
func (r *RabbitMQ) Dial() *amqp.Connection {
	r.t.Helper()
	c, err := amqp.Dial(r.URL())
	if err != nil {
		r.t.Fatalf("dialling %s: %v", r.program.name, err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Ctl runs rabbitmqctl on the node and returns what it printed.
func (r *RabbitMQ) Ctl(args ...string) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, rabbitmqBin+"rabbitmqctl", append([]string{"-q", "-n", r.node}, args...)...)
	cmd.Dir = r.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + r.dir}, r.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("rabbitmqctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (r *RabbitMQ) dial() error {
	if err := dialTCP(r.Addr()); err != nil {
		return err
	}
	c, err := amqp.DialConfig(r.URL(), amqp.Config{Dial: amqp.DefaultDial(10 * time.Second)})
	if err != nil {
		return err
	}
	return c.Close()
}

func (r *RabbitMQ) write(t testing.TB, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
