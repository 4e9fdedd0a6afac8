package camera

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long FFmpeg may take to end by itself after it was asked to.
const stopGrace = time.Second

// niceness is by how much FFmpeg yields to the node: where the processor is full, pictures come late or not at all, but those that came
// go on into the stream, and the node answers.
const niceness = 5

// process is one running FFmpeg in a process group of its own, whose errors are drained and kept as a short tail.
type process struct {
	cmd    *exec.Cmd
	stdout io.ReadCloser
	stderr *tail

	stopOnce sync.Once
	killer   *time.Timer
}

// startProcess starts FFmpeg. hide are texts that its messages must not show; notice is called for each line it writes to
// stderr, and says whether the line is kept.
func startProcess(path string, args []string, stdin string, hide []string, notice func(line string) (keep bool)) (*process, error) {
	p := &process{cmd: exec.Command(path, args...)}
	// The kernel ends FFmpeg when the thread that started it ends, which for Go's threads means when the node ends, however that
	// comes: Go keeps its threads, and nothing here ends a goroutine that is locked to one.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if stdin != "" {
		p.cmd.Stdin = strings.NewReader(stdin)
	}
	var err error
	if p.stdout, err = p.cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("making a pipe for ffmpeg: %w", err)
	}
	stderr, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe for ffmpeg: %w", errors.Join(err, p.stdout.Close()))
	}
	p.cmd.Stderr = w
	err = p.cmd.Start()
	_ = w.Close() // FFmpeg has its own
	if err != nil {
		return nil, fmt.Errorf("starting ffmpeg: %w", errors.Join(err, stderr.Close()))
	}
	// A process group of which all has ended already has no priority to change.
	_ = syscall.Setpriority(syscall.PRIO_PGRP, p.cmd.Process.Pid, niceness)
	p.stderr = newTail(stderr, hide, notice)
	return p, nil
}

// stop asks FFmpeg to end, and ends it if it has not done so after stopGrace. It may be called more than once and from any
// goroutine, but not after wait.
func (p *process) stop() {
	p.stopOnce.Do(func() {
		p.signal(syscall.SIGTERM)
		p.killLater()
	})
}

func (p *process) killLater() {
	p.killer = time.AfterFunc(stopGrace, func() { p.signal(syscall.SIGKILL) })
}

// signal reaches the whole group. Until wait has returned the group's number cannot belong to anyone else.
func (p *process) signal(s syscall.Signal) {
	// The only error there can be is that the group is gone already.
	_ = syscall.Kill(-p.cmd.Process.Pid, s)
}

// wait reaps FFmpeg, and ends what is left of it after stopGrace. It is called once, when FFmpeg has been stopped or its output has
// been read to its end, after which it ends by itself.
func (p *process) wait() error {
	p.stopOnce.Do(p.killLater)
	err := p.cmd.Wait()
	p.stderr.wait()
	p.killer.Stop()
	return err
}
