package redis

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
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
	last []byte // the end of what was read; the reader's alone, which is the writer too
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.heard(b[:n])
	return n, err
}

func (w *wire) heard(b []byte) {
	if len(b) > 0 {
		w.last = append(w.last[:0], b[max(0, len(b)-256):]...)
	}
}

// Write reads what is there when the server takes no more.
func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) && w.SetReadDeadline(time.Now().Add(lastWordsTime)) == nil {
		// the error says only that nothing more comes
		said, _ := io.ReadAll(io.LimitReader(w.Conn, lastWordsBytes))
		w.heard(said)
	}
	return n, err
}

// reason is the fault that the server named before it ended the connection, or nil. It takes the place of err, that of the client.
func (w *wire) reason(err error) error {
	line := bytes.TrimRight(w.last, "\r\n")
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	if reply, ok := strings.CutPrefix(string(line), "-"); ok && err != nil {
		if fault := faultOf(reply); fault != "" {
			return &bridge.SinkFault{Fault: fault, Err: errors.New(reply)}
		}
	}
	return err
}
