package harness

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
	"time"
)

// WaitFor polls cond until it holds and fails the test, naming what it waited for, when that takes longer than timeout.
func WaitFor(t testing.TB, timeout time.Duration, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for: %s", timeout, what)
		}
		<-tick.C
	}
}

// FreePort returns a TCP port of 127.0.0.1 on which nothing listens. It lies below the range from which the kernel takes the ports of
// outgoing connections: there, a client that keeps dialling a stopped server can take the server's port, or connect to itself. Until the
// test ends no other test is given it, of another process neither: an abstract socket stands for that.
func FreePort(t testing.TB) int {
	t.Helper()
	const low, high = 15_000, 32_000
	for range 1000 {
		port := low + rand.IntN(high-low)
		taken, err := net.Listen("unix", fmt.Sprint("@edge-video-test-port-", port))
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", hostPort(port))
		if err != nil {
			_ = taken.Close()
			continue
		}
		_ = l.Close()
		t.Cleanup(func() { _ = taken.Close() })
		return port
	}
	t.Fatalf("no free TCP port from %d to %d", low, high)
	return 0
}

func hostPort(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// dialTCP reports whether something listens at addr.
func dialTCP(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}

// greets reports whether a server at addr begins to speak with the given words. A node tries its ports before it uses them, so that
// something listening there is not enough.
func greets(addr, words string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	got := make([]byte, len(words))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if string(got) != words {
		return fmt.Errorf("%s greets with %q, not %q", addr, got, words)
	}
	return nil
}
