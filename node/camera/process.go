package camera

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long FFmpeg may take to end by itself after it was asked to.
const stopGrace = time.Second

// process is one running FFmpeg in a process group of its own, whose errors are drained and kept as a short tail.
type process struct {
	cmd    *exec.Cmd
	stdout io.ReadCloser
	stderr *tail

	stopOnce sync.Once
	killer   *time.Timer
}

// startProcess starts FFmpeg. hide are texts that its messages must not show; notice is called for each line it writes to stderr.
func startProcess(path string, args []string, stdin string, hide []string, notice func(line string)) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), stderr: &tail{hide: hide, notice: notice}}
	// The kernel ends FFmpeg when the thread that started it ends, which for Go's threads means when the node ends, however that
	// comes: Go keeps its threads, and nothing here ends a goroutine that is locked to one.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.cmd.Stderr = p.stderr
	if stdin != "" {
		p.cmd.Stdin = strings.NewReader(stdin)
	}
	var err error
	if p.stdout, err = p.cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("making a pipe for ffmpeg: %w", err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting ffmpeg: %w", err)
	}
	return p, nil
}

// stop asks FFmpeg to end, and ends it if it has not done so after stopGrace. It may be called more than once and from any
// goroutine, but not after wait.
func (p *process) stop() {
	p.stopOnce.Do(func() {
		p.signal(syscall.SIGTERM)
		p.killer = time.AfterFunc(stopGrace, func() { p.signal(syscall.SIGKILL) })
	})
}

// signal reaches the whole group. Until wait has returned the group's number cannot belong to anyone else.
func (p *process) signal(s syscall.Signal) {
	// The only error there can be is that the group is gone already.
	_ = syscall.Kill(-p.cmd.Process.Pid, s)
}

// wait ends what is left of FFmpeg and reaps it. It is called once, when the output has been read to its end.
func (p *process) wait() error {
	p.stop()
	err := p.cmd.Wait()
	p.killer.Stop()
	return err
}

// tailBytes is how much of FFmpeg's last messages is kept.
const tailBytes = 2 << 10

// tail keeps the end of what FFmpeg writes to stderr, with secrets blotted out line by line.
type tail struct {
	hide   []string
	notice func(line string)

	mu      sync.Mutex
	partial []byte
	lines   []string
	size    int
}

// Write takes any amount and never fails, so that FFmpeg is never held up by its own messages.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	for len(b) > 0 {
		i := strings.IndexAny(string(b[:min(len(b), tailBytes)]), "\r\n")
		if i < 0 {
			if len(t.partial) < tailBytes {
				t.partial = append(t.partial, b[:min(len(b), tailBytes)]...)
			}
			b = b[min(len(b), tailBytes):]
			continue
		}
		t.partial = append(t.partial, b[:i]...)
		t.line(string(t.partial))
		t.partial = t.partial[:0]
		b = b[i+1:]
	}
	return n, nil
}

func (t *tail) line(s string) {
	for _, h := range t.hide {
		s = strings.ReplaceAll(s, h, "***")
	}
	s = strings.TrimSpace(s)
	if s == "" {
		return
	}
	if t.notice != nil {
		t.notice(s)
	}
	t.lines = append(t.lines, s)
	for t.size += len(s); t.size > tailBytes && len(t.lines) > 1; t.lines = t.lines[1:] {
		t.size -= len(t.lines[0])
	}
}

// String is the kept end, lines joined by "; ".
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "; ")
}
