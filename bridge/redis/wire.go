package redis

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/edge-video/edge-video/bridge"
)

// Bounds of the reading of what a server has said before it ended a connection.
const (
	lastWordsTime  = 200 * time.Millisecond
	lastWordsBytes = 64 << 10
)

// wire is a connection that remembers what the server said last. A server that ends a connection for a reason says it first, when
// that is asked for by nobody: the client then knows only that the connection has ended.
type wire struct {
	net.Conn
	closed func() // called when the client closes it, unless nil

	mu   sync.Mutex
	last []byte // the end of what was read
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.heard(b[:n])
	return n, err
}

func (w *wire) heard(b []byte) {
	if len(b) > 0 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.last = append(w.last[:0], b[max(0, len(b)-256):]...)
	}
}

// abort ends the connection at once, without the farewell of TLS, which waits for a server that takes nothing any more.
func (w *wire) abort() {
	if secure, ok := w.Conn.(*tls.Conn); ok {
		secure.NetConn().Close()
	}
	w.Conn.Close()
}

// Close tells who wants to know.
func (w *wire) Close() error {
	err := w.Conn.Close()
	if w.closed != nil {
		w.closed()
	}
	return err
}

// Write reads what is there when the server takes no more.
func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	w.farewell(err)
	return n, err
}

// writeAll is Write for several pieces at once.
func (w *wire) writeAll(b *net.Buffers) error {
	_, err := b.WriteTo(w.Conn)
	w.farewell(err)
	return err
}

// farewell reads what the server has said where an error of writing says only that it takes no more.
func (w *wire) farewell(err error) {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) || w.SetReadDeadline(time.Now().Add(lastWordsTime)) != nil {
		return
	}
	said, _ := io.ReadAll(io.LimitReader(w.Conn, lastWordsBytes))
	w.heard(said)
}

// named is the fault that the server named before it ended the connection, or nil.
func (w *wire) named() *bridge.SinkFault {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := bytes.TrimRight(w.last, "\r\n")
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	reply, ok := strings.CutPrefix(string(line), "-")
	if !ok {
		return nil
	}
	fault := faultOf(reply)
	if fault == "" {
		return nil
	}
	return &bridge.SinkFault{Fault: fault, Err: errors.New(reply)}
}
