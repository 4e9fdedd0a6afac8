package harness

import (
	"syscall"
	"testing"
	"time"
)

// service is a program that a test stops, starts again and holds still.
type service struct {
	t       testing.TB
	program program
	grace   time.Duration // for an orderly end
	timeout time.Duration // for the start
	check   func() error  // nil when it answers
	proc    *process      // nil while stopped
	exit    int           // of the last run
}

func newService(t testing.TB, p program, check func() error) *service {
	s := &service{t: t, program: p, grace: 30 * time.Second, timeout: 3 * time.Minute, check: check}
	t.Cleanup(s.Kill)
	return s
}

// Start starts it again, on the same port and folders, and returns when it answers. Starting a running one does nothing.
func (s *service) Start() {
	s.t.Helper()
	if s.proc != nil {
		return
	}
	s.proc = startProcess(s.t, s.program)
	s.proc.ready(s.timeout, s.check)
}

// Stop ends it in an orderly way and returns when it has ended.
func (s *service) Stop() {
	s.t.Helper()
	s.end(s.grace)
}

// Kill ends it with SIGKILL and returns when it has ended.
func (s *service) Kill() {
	s.t.Helper()
	s.end(0)
}

func (s *service) end(grace time.Duration) {
	s.t.Helper()
	if s.proc == nil {
		return
	}
	s.proc.stop(grace)
	s.exit = s.proc.cmd.ProcessState.ExitCode()
	s.proc.report()
	s.proc = nil
}

// ExitCode is that of its last run, -1 if a signal ended it.
func (s *service) ExitCode() int { return s.exit }

// Output is the end of what it has written.
func (s *service) Output() string {
	s.t.Helper()
	s.running()
	return s.proc.tail()
}

// Pause holds it still with SIGSTOP: its connections stay open and nothing answers.
func (s *service) Pause() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
}

// Resume lets a paused one go on.
func (s *service) Resume() {
	s.t.Helper()
	s.signal(syscall.SIGCONT)
}

// PID is its process id, which is also the id of its process group.
func (s *service) PID() int {
	s.t.Helper()
	s.running()
	return s.proc.pid()
}

func (s *service) signal(sig syscall.Signal) {
	s.t.Helper()
	s.running()
	s.proc.signal(sig)
}

func (s *service) running() {
	s.t.Helper()
	if s.proc == nil {
		s.t.Fatalf("%s is not running", s.program.name)
	}
}
