// Package process runs FFmpeg: in a process group of its own, ended by a signal and then by force, always waited for, its messages drained.
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long FFmpeg may take to end by itself after it was asked to.
const stopGrace = time.Second

// niceness is by how much FFmpeg yields to the node: where the processor is full, pictures come late or not at all, but those that came
// go on into the stream, and the node answers.
const niceness = 5

// Process is one running FFmpeg in a process group of its own, whose errors are drained and kept as a short tail.
type Process struct {
	Stdout io.ReadCloser
	Stderr *Tail
	cmd    *exec.Cmd

	stopOnce sync.Once
	killer   *time.Timer
}

// Config is what FFmpeg is started with.
type Config struct {
	Path   string
	Args   []string
	Stdin  io.Reader                     // may be nil; when FFmpeg ends before it has read all of it, that must end too
	Hide   []string                      // texts that its messages must not show
	Notice func(line string) (keep bool) // called for each line it writes to stderr, says whether the line is kept; may be nil
}

// Start starts FFmpeg. Whoever does that calls Wait.
func Start(c Config) (*Process, error) {
	p := &Process{cmd: exec.Command(c.Path, c.Args...)}
	// The kernel ends FFmpeg when the thread that started it ends, which for Go's threads means when the node ends, however that
	// comes: Go keeps its threads, and nothing here ends a goroutine that is locked to one.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.cmd.Stdin = c.Stdin
	var err error
	if p.Stdout, err = p.cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("making a pipe for ffmpeg: %w", err)
	}
	stderr, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe for ffmpeg: %w", errors.Join(err, p.Stdout.Close()))
	}
	p.cmd.Stderr = w
	err = p.cmd.Start()
	_ = w.Close() // FFmpeg has its own
	if err != nil {
		return nil, fmt.Errorf("starting ffmpeg: %w", errors.Join(err, stderr.Close()))
	}
	// A process group of which all has ended already has no priority to change.
	_ = syscall.Setpriority(syscall.PRIO_PGRP, p.cmd.Process.Pid, niceness)
	p.Stderr = newTail(stderr, c.Hide, c.Notice)
	return p, nil
}

// Stop asks FFmpeg to end, and ends it if it has not done so after stopGrace. It may be called more than once and from any
// goroutine, but not after Wait.
func (p *Process) Stop() {
	p.stopOnce.Do(func() {
		p.signal(syscall.SIGTERM)
		p.killLater()
	})
}

func (p *Process) killLater() {
	p.killer = time.AfterFunc(stopGrace, func() { p.signal(syscall.SIGKILL) })
}

// signal reaches the whole group. Until Wait has returned the group's number cannot belong to anyone else.
func (p *Process) signal(s syscall.Signal) {
	// The only error there can be is that the group is gone already.
	_ = syscall.Kill(-p.cmd.Process.Pid, s)
}

// Wait reaps FFmpeg, and ends what is left of it after stopGrace. It is called once, when FFmpeg has been stopped or its output has
// been read to its end, after which it ends by itself.
func (p *Process) Wait() error {
	p.stopOnce.Do(p.killLater)
	err := p.cmd.Wait()
	p.Stderr.wait()
	p.killer.Stop()
	return err
}

// PID is its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signalled reports whether a signal ended it, once it has been waited for.
func (p *Process) Signalled() bool { return p.cmd.ProcessState.ExitCode() < 0 }
