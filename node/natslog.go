package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// repeatPeriod is how often the same complaint of the embedded server is passed on.
	repeatPeriod = time.Minute
	// repeatKinds bounds how many are known at once.
	repeatKinds = 256
)

// natsLog passes the embedded server's log on to slog, and keeps what the server calls fatal: an embedded server does not end the
// process, it merely stops starting. What the server complains of again and again is passed on once a minute, with how often it was said.
type natsLog struct {
	log  *slog.Logger
	link func(level slog.Level, id uint64, text string) // takes what is said of links to hubs

	mu     sync.Mutex
	fatal  error
	repeat map[string]*repetition
}

// repetition is a complaint that was passed on.
type repetition struct {
	at    time.Time
	count int // not passed on since
}

func (l *natsLog) write(level slog.Level, format string, v ...any) {
	enabled := l.log.Enabled(context.Background(), level)
	if !enabled && level < slog.LevelDebug {
		return
	}
	text := strings.TrimSpace(fmt.Sprintf(format, v...))
	if strings.Contains(text, "duplicate name") {
		text += "; two nodes of the cluster have the same site and node, and cannot be told apart: give each its own node"
	}
	if id, link, ok := aboutLink(text); ok {
		l.link(level, id, link)
	}
	if !enabled {
		return
	}
	var more []any
	if level >= slog.LevelWarn {
		again, count := l.again(text)
		if again {
			return
		}
		if count > 0 {
			more = []any{"repeated", count}
		}
	}
	l.log.Log(context.Background(), level, text, more...)
}

// aboutLink takes what the server says of a leaf node connection apart: the connection's number, 0 where there is none yet, and the text
// without the connection's own name.
func aboutLink(text string) (id uint64, said string, ok bool) {
	if strings.Contains(text, "as leafnode to remote") {
		return 0, text, true
	}
	_, rest, ok := strings.Cut(text, " - lid")
	_, rest, _ = strings.Cut(rest, ":") // behind _ws, where it is one
	number, said, _ := strings.Cut(rest, " - ")
	id, err := strconv.ParseUint(number, 10, 64)
	return id, said, ok && err == nil
}

// again says that the same was passed on within the last minute, but for numbers; else how often it was held back since then.
func (l *natsLog) again(text string) (again bool, count int) {
	key := regexp.MustCompile(`[0-9]+`).ReplaceAllString(text, "#")
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if r := l.repeat[key]; r != nil {
		if now.Sub(r.at) < repeatPeriod {
			r.count++
			return true, 0
		}
		count = r.count
	}
	if l.repeat == nil || len(l.repeat) >= repeatKinds {
		l.repeat = map[string]*repetition{}
	}
	l.repeat[key] = &repetition{at: now}
	return false, count
}

func (l *natsLog) Noticef(format string, v ...any) { l.write(slog.LevelDebug, format, v...) }
func (l *natsLog) Warnf(format string, v ...any)   { l.write(slog.LevelWarn, format, v...) }
func (l *natsLog) Errorf(format string, v ...any)  { l.write(slog.LevelError, format, v...) }
func (l *natsLog) Debugf(format string, v ...any)  { l.write(slog.LevelDebug-2, format, v...) }
func (l *natsLog) Tracef(format string, v ...any)  { l.write(slog.LevelDebug-4, format, v...) }

func (l *natsLog) Fatalf(format string, v ...any) {
	err := errors.New(strings.TrimSpace(fmt.Sprintf(format, v...)))
	l.mu.Lock()
	if l.fatal == nil {
		l.fatal = err
	}
	l.mu.Unlock()
	l.write(slog.LevelError, "%s", err)
}

func (l *natsLog) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}
