package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// natsLog passes the embedded server's log on to slog, and keeps what the server calls fatal: an embedded server does not end the
// process, it merely stops starting.
type natsLog struct {
	log *slog.Logger

	mu    sync.Mutex
	fatal error
}

func (l *natsLog) write(level slog.Level, format string, v ...any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, strings.TrimSpace(fmt.Sprintf(format, v...)))
	}
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
