package process

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// tailBytes is how much of FFmpeg's last messages is kept.
const tailBytes = 2 << 10

// Tail drains what FFmpeg writes to stderr, as fast as it comes, and keeps the end of it, with secrets blotted out line by line.
type Tail struct {
	pipe   *os.File
	raw    syscall.RawConn // of pipe
	hide   []string
	notice func(line string) (keep bool)
	done   chan struct{} // closed when the pipe has been read to its end

	mu      sync.Mutex
	buf     [4 << 10]byte
	partial []byte
	lines   []tailLine
	size    int
}

type tailLine struct {
	text string
	at   time.Time
}

// newTail drains pipe until its end; wait returns after that.
func newTail(pipe *os.File, hide []string, notice func(line string) (keep bool)) *Tail {
	t := &Tail{pipe: pipe, hide: hide, notice: notice, done: make(chan struct{})}
	t.raw, _ = pipe.SyscallConn() // fails only for a closed file
	go func() {
		defer close(t.done)
		// Its error is that of a closed file too.
		_ = t.raw.Read(func(fd uintptr) bool {
			for {
				if more, end := t.read(int(fd)); !more {
					return end
				}
			}
		})
	}()
	return t
}

// wait returns when nobody can write any more and everything has been read.
func (t *Tail) wait() {
	<-t.done
	_ = t.pipe.Close() // only read from
}

// Sync takes in what FFmpeg has written up to now, so that its notices are known before the pictures that it wrote after them.
func (t *Tail) Sync() {
	_ = t.raw.Control(func(fd uintptr) {
		for range 64 { // more than a pipe holds; who writes faster does not hold the pictures up
			if more, _ := t.read(int(fd)); !more {
				return
			}
		}
	})
}

// read takes in one piece. more says that there may be another one right now, end that there will be none.
func (t *Tail) read(fd int) (more, end bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := syscall.Read(fd, t.buf[:])
	switch {
	case n > 0:
		t.take(t.buf[:n])
		return true, false
	case errors.Is(err, syscall.EINTR):
		return true, false
	case errors.Is(err, syscall.EAGAIN):
		return false, false
	}
	return false, true
}

// take cuts what came into lines; t.mu is held.
func (t *Tail) take(b []byte) {
	for len(b) > 0 {
		i := bytes.IndexAny(b, "\r\n")
		piece := b
		if i >= 0 {
			piece = b[:i]
		}
		t.partial = append(t.partial, piece[:min(len(piece), max(0, tailBytes-len(t.partial)))]...)
		if i < 0 {
			return
		}
		t.line(string(t.partial))
		t.partial = t.partial[:0]
		b = b[i+1:]
	}
}

func (t *Tail) line(s string) {
	s = t.clean(s)
	if s == "" {
		return
	}
	if t.notice != nil && !t.notice(s) {
		return
	}
	if len(t.lines) > 0 && t.lines[len(t.lines)-1].text == s {
		t.lines[len(t.lines)-1].at = time.Now()
		return // saying it again would only push other messages out
	}
	t.lines = append(t.lines, tailLine{s, time.Now()})
	for t.size += len(s); t.size > tailBytes && len(t.lines) > 1; t.lines = t.lines[1:] {
		t.size -= len(t.lines[0].text)
	}
}

func (t *Tail) clean(s string) string {
	for _, h := range t.hide {
		s = strings.ReplaceAll(s, h, "***")
	}
	return strings.TrimSpace(s)
}

// String is the kept end, lines joined by "; ".
func (t *Tail) String() string { return t.Since(time.Time{}) }

// Since is the part of it that came after a moment.
func (t *Tail) Since(moment time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for _, l := range t.lines {
		if l.at.After(moment) {
			lines = append(lines, l.text)
		}
	}
	if open := t.clean(string(t.partial)); open != "" {
		lines = append(lines, open)
	}
	return strings.Join(lines, "; ")
}
