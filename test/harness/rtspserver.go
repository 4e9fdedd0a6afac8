package harness

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
)

// rtspServer is the protocol's part of a camera that lives in the test's own process: it describes one stream to whoever asks and lets
// play send it, over the same TCP connection.
type rtspServer struct {
	listener net.Listener
	sdp      string
	play     func(c *rtspClient)
	mu       sync.Mutex
	clients  map[*rtspClient]bool
	ended    bool
	running  sync.WaitGroup
}

// rtspClient is one connection.
type rtspClient struct {
	conn  net.Conn
	mu    sync.Mutex    // over writes
	ended chan struct{} // closed when the client has gone
}

// Write implements [io.Writer].
func (c *rtspClient) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn.Write(b)
}

// startRTSPServer serves until the test ends. play sends the stream to one client until it has gone.
func startRTSPServer(t testing.TB, sdp string, play func(*rtspClient)) *rtspServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rtspServer{listener: l, sdp: sdp, play: play, clients: map[*rtspClient]bool{}}
	s.running.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

func (s *rtspServer) url(n int) string {
	return fmt.Sprintf("rtsp://%s/stream%d", s.listener.Addr(), n)
}

func (s *rtspServer) stop() {
	s.listener.Close()
	s.mu.Lock()
	s.ended = true
	for c := range s.clients {
		c.conn.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

func (s *rtspServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		c := &rtspClient{conn: conn, ended: make(chan struct{})}
		s.mu.Lock()
		if s.ended {
			conn.Close()
		}
		s.clients[c] = true
		s.mu.Unlock()
		s.running.Go(func() {
			s.serve(c)
			conn.Close()
			s.mu.Lock()
			delete(s.clients, c)
			s.mu.Unlock()
		})
	}
}

// serve answers one client's requests until it goes.
func (s *rtspServer) serve(c *rtspClient) {
	var playing sync.WaitGroup
	defer playing.Wait()
	defer c.conn.Close()
	defer close(c.ended)
	r := bufio.NewReader(c.conn)
	for {
		method, seq, err := readRequest(r)
		if err != nil {
			return
		}
		head, body := "Session: 1\r\n", ""
		switch method {
		case "OPTIONS":
			head = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n"
		case "DESCRIBE":
			head, body = "Content-Type: application/sdp\r\n", s.sdp
		case "SETUP":
			head = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1;timeout=60\r\n"
		}
		if _, err := fmt.Fprintf(c, "RTSP/1.0 200 OK\r\nCSeq: %s\r\n%sContent-Length: %d\r\n\r\n%s", seq, head, len(body), body); err != nil || method == "TEARDOWN" {
			return
		}
		if method == "PLAY" {
			playing.Go(func() { s.play(c) })
		}
	}
}

// readRequest reads one request, past the client's own reports in interleaved frames.
func readRequest(r *bufio.Reader) (method, seq string, err error) {
	for {
		b, err := r.Peek(framing)
		if err != nil {
			return "", "", err
		}
		if b[0] != '$' {
			break
		}
		if _, err := r.Discard(framing + int(binary.BigEndian.Uint16(b[2:]))); err != nil {
			return "", "", err
		}
	}
	text := textproto.NewReader(r)
	line, err := text.ReadLine()
	if err != nil {
		return "", "", err
	}
	head, err := text.ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return "", "", err
	}
	method, _, _ = strings.Cut(line, " ")
	return method, head.Get("CSeq"), nil
}

// framing is what stands before each RTP packet in an RTSP connection: '$', the channel, the length.
const framing = 4
