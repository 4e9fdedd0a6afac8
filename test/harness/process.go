package harness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// program is how to run one external program.
type program struct {
	name string   // for messages and the log file
	pkg  string   // the Debian package that holds it
	path string   // looked up in PATH unless absolute
	args []string //
	env  []string // added to a minimal environment
	dir  string   // working directory, also of the log file
}

// process is a running program in a process group of its own.
type process struct {
	t      testing.TB
	name   string
	cmd    *exec.Cmd
	log    string
	exited chan struct{} // closed when the leader has exited; it stays unreaped, and its group's id taken, until stop
}

// startProcess runs p. Its output goes to a file, which is logged when the test has failed. The caller stops it.
func startProcess(t testing.TB, p program) *process {
	t.Helper()
	path, err := exec.LookPath(p.path)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", p.path, p.pkg)
	}
	log, err := os.OpenFile(filepath.Join(p.dir, p.name+".out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(path, p.args...)
	cmd.Dir = p.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + p.dir}, p.env...)
	cmd.Stdout, cmd.Stderr = log, log
	// the kernel ends it also when the test binary is killed and no cleanup runs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", p.name, err)
	}
	proc := &process{t: t, name: p.name, cmd: cmd, log: log.Name(), exited: make(chan struct{})}
	go func() {
		defer close(proc.exited)
		for errors.Is(unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
		}
	}()
	return proc
}

// ready polls check until it returns nil, and fails the test when that takes longer than timeout or the program exits.
func (p *process) ready(timeout time.Duration, check func() error) {
	p.t.Helper()
	deadline := time.Now().Add(timeout)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if p.hasExited() || time.Now().After(deadline) {
			p.t.Fatalf("%s does not answer: %v\n%s", p.name, err, p.tail())
		}
		<-tick.C
	}
}

func (p *process) hasExited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// signal reaches every process of the group.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		p.t.Fatalf("sending %v to %s: %v", s, p.name, err)
	}
}

// stop ends the group, after grace for an orderly end if that is not zero, and waits for it.
func (p *process) stop(grace time.Duration) {
	p.t.Helper()
	if grace > 0 {
		p.signal(syscall.SIGTERM)
		p.signal(syscall.SIGCONT)
		limit := time.NewTimer(grace)
		defer limit.Stop()
		select {
		case <-p.exited:
		case <-limit.C:
		}
	}
	p.signal(syscall.SIGKILL)
	<-p.exited
	_ = p.cmd.Wait() // how it ended says nothing: it was killed
}

// pid is the id of the program, which leads a process group of the same id.
func (p *process) pid() int { return p.cmd.Process.Pid }

// report logs what the program wrote if the test has failed.
func (p *process) report() {
	if p.t.Failed() {
		p.t.Log(p.tail())
	}
}

// tail is the end of what the program wrote.
func (p *process) tail() string {
	const most = 8 << 10
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	b = bytes.TrimSpace(b)
	return fmt.Sprintf("%s wrote:\n%s", p.name, b[max(0, len(b)-most):])
}
