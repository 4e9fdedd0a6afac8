package e2e_test

import (
	"bytes"
	"context"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/edge-video/edge-video/test/harness"
)

// guides are the documents whose commands have to work.
func guides(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("git", "-C", "../..", "ls-files", "*.md").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// documented are the commands of a document that match: lines of its shell blocks, and what stands in its text as code.
func documented(t *testing.T, guide, pattern string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", guide))
	if err != nil {
		t.Fatal(err)
	}
	wanted, code, block, shell := regexp.MustCompile(pattern), regexp.MustCompile("`([^`]+)`"), false, false
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", "")) {
		line = strings.TrimSpace(line)
		found := []string{line}
		switch {
		case strings.HasPrefix(line, "```"):
			block = !block
			shell = block && line == "```"
			continue
		case block && !shell:
			continue
		case !block:
			found = nil
			for _, m := range code.FindAllStringSubmatch(line, -1) {
				found = append(found, strings.ReplaceAll(m[1], `\|`, "|")) // in a table
			}
		}
		for _, command := range found {
			command, _, _ = strings.Cut(command, "  #")
			if wanted.MatchString(command) && !slices.Contains(all, command) {
				all = append(all, strings.TrimSpace(command))
			}
		}
	}
	return all
}

// apart are the commands of the nats CLI that need more than one node.
var apart = []struct{ pattern, why string }{
	{`FRAMES_lisbon|EVENTS_lisbon`, "at a plain nats-server: TestDeploy_PlainNATSServerIsAHub runs them"},
	{`FRAMES_<site>`, "names no site"},
	{`kv ls leases`, "in a cluster: TestDeploy_HubSiteAndClusterRunFromTheirFiles runs it"},
	{`ws://`, "with a listener for websockets: TestDeploy_OtherProtocolsShowFrames runs it"},
	{`raft peer-remove`, "names no node; takes one out of a cluster for good"},
}

// shows is what has to come of a command beside exit code 0. Of those that go on until they are stopped it is all that is waited for.
var shows = []struct {
	pattern string
	want    []string
	endless bool
}{
	{pattern: `stream ls|stream report`, want: []string{"FRAMES", "EVENTS"}},
	{pattern: `stream info FRAMES`, want: []string{"frames.lisbon.>", "Pictures"}},
	{pattern: `stream subjects`, want: []string{"frames.lisbon.dock-1"}},
	{pattern: `stream view FRAMES.*describe`, want: []string{"JPEG, 320x240, "}, endless: true},
	{pattern: `--dump frames`, want: []string{"frames/3.json: frames.lisbon.dock-1, frame "}},
	{pattern: `stream get .*\| edge-video describe -`, want: []string{"frames.lisbon.dock-1 ", ", captured ", ": JPEG, 320x240, "}},
	{pattern: `stream view EVENTS`, want: []string{"camera dock-1 of lisbon: state up"}, endless: true},
	{pattern: `stream view DEAD`, want: []string{"Reached apparent end"}}, // nothing is in there
	{pattern: `consumer report`, want: []string{"cache"}},
	{pattern: `kv get cameras`, want: []string{`"state":"up"`, `"node":"gate-7"`}},
	{pattern: `kv get bridges`, want: []string{`"state":"closed"`}},
	{pattern: `kv watch cameras`, want: []string{"lisbon.dock-1"}, endless: true},
	{pattern: `sub .*--headers-only`, want: []string{"Frame-Captured: ", "Frame-Width: 320", "Content-Type: image/jpeg"}, endless: true},
	{pattern: `sub .*describe`, want: []string{"JPEG, 320x240, "}, endless: true},
	{pattern: `sub --stream EVENTS`, want: []string{"events.lisbon.camera.dock-1.state"}, endless: true},
	{pattern: `service (ls|info|stats)`, want: []string{"edge-video"}},
	{pattern: `req node.reload`, want: []string{"nothing changed"}},
	{pattern: `server report jetstream`, want: []string{"lisbon-gate-7", "Streams"}},
	{pattern: `nats-system.json events`, want: []string{"Client Connection"}, endless: true},
	{pattern: `events --js-advisory`, want: []string{"JetStream"}, endless: true},
}

// TestDocs_EveryNatsCommandWorks runs the commands of the nats CLI that any document names, as it names them, against a node with users, by the
// context file that the node writes.
func TestDocs_EveryNatsCommandWorks(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("nats"); err != nil {
		t.Fatal("the nats CLI is missing: run make deps, which puts it into bin, and put bin on PATH")
	}
	cache := harness.StartRedis(t, harness.RedisOptions{})
	users, err := filepath.Abs(filepath.Join(deployDir, "nats-users.conf"))
	if err != nil {
		t.Fatal(err)
	}
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Site: "lisbon", Name: "gate-7", Cameras: lines(madeUp("dock-1")), Bridges: lines(cacheBridge(cache.URL())),
		NATS: ", config: " + users, Env: []string{"OPERATOR_PASSWORD=secret-1", "BRIDGE_PASSWORD=secret-2"}})
	harness.WaitFor(t, 30*time.Second, "frames in Redis", func() bool { return n.Metric("edge_video_bridge_delivered_total") > 20 })
	line := &commandLine{t: t, node: n, dir: t.TempDir()}
	// The program's own commands get in the same way.
	if out, err := line.run("edge-video cameras --once --config "+n.Config, func(string) bool { return false }); err != nil || !strings.Contains(out, "dock-1") {
		t.Errorf("%v\n%s", err, out)
	}
	used := map[string]bool{}
	for _, guide := range guides(t) {
		for _, command := range documented(t, guide, `^nats [a-z-]`) {
			if at := slices.IndexFunc(apart, func(a struct{ pattern, why string }) bool { return regexp.MustCompile(a.pattern).MatchString(command) }); at >= 0 {
				used[apart[at].pattern] = true
				continue
			}
			if used[command] {
				continue
			}
			used[command] = true
			t.Run(command, func(t *testing.T) {
				line.t = t
				line.check(command)
			})
		}
	}
	for _, a := range apart {
		if !used[a.pattern] {
			t.Errorf("no document has a command like %s any more", a.pattern)
		}
	}
}

// commandLine is where an operator of the node would type.
type commandLine struct {
	t    *testing.T
	node *harness.Node
	dir  string
}

// check runs a command and looks at what it shows, and at the picture that it may have written.
func (l *commandLine) check(command string) {
	l.t.Helper()
	var want []string
	endless := false
	for _, s := range shows {
		if regexp.MustCompile(s.pattern).MatchString(command) {
			want, endless = append(want, s.want...), endless || s.endless
		}
	}
	file := regexp.MustCompile(`> (\S+\.jpg)`).FindStringSubmatch(command)
	if len(want) == 0 && file == nil {
		l.t.Errorf("nothing is known of what this shows")
	}
	out, err := l.run(command, func(out string) bool { return endless && shown(out, want) })
	if err != nil || !shown(out, want) {
		l.t.Errorf("%v; %q are to be shown, and there is:\n%s", err, want, out)
	}
	if file != nil {
		picture, err := os.ReadFile(filepath.Join(l.dir, file[1]))
		if err != nil {
			l.t.Fatal(err)
		}
		if img, err := jpeg.Decode(bytes.NewReader(picture)); err != nil || img.Bounds().Dx() != 320 {
			l.t.Errorf("what the command wrote to %s is no picture of the camera: %v", file[1], err)
		}
	}
}

func shown(out string, want []string) bool {
	return !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(out, w) })
}

// run runs a command as at a terminal until it ends, or enough has been shown, which ends it.
func (l *commandLine) run(command string, enough func(out string) bool) (string, error) {
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", strings.ReplaceAll(command, "/var/lib/edge-video", l.node.Dir))
	if strings.Contains(command, "stream view") { // which asks for a terminal
		cmd = exec.CommandContext(ctx, "script", "--quiet", "--return", "--command", cmd.Args[4], "/dev/null")
	}
	cmd.Dir = l.dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"), "NATS_CONTEXT="+filepath.Join(l.node.Dir, "nats.json"), "HOME="+l.dir)
	watch := &watched{enough: enough, stop: cancel}
	cmd.Stdout, cmd.Stderr = watch, watch
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // a pipe's end as well
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	out, done := watch.state()
	if done {
		err = nil // it was stopped
	}
	return out, err
}

// watched is output of a program that is stopped once there is enough of it.
type watched struct {
	enough func(out string) bool
	stop   func()

	mu   sync.Mutex
	out  []byte
	done bool
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out = append(w.out, b...)
	if !w.done && w.enough(string(w.out)) {
		w.done = true
		w.stop()
	}
	return len(b), nil
}

func (w *watched) state() (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.out), w.done
}
