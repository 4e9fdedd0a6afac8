package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestProcess_RestartsLeaveNoDescriptor(t *testing.T) {
	run := func() {
		p, err := Start(Config{Path: "/bin/sh", Args: []string{"-c", "echo problem >&2; cat; exec sleep 100"},
			Stdin: strings.NewReader("playlist")})
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 8)
		if _, err := io.ReadFull(p.Stdout, b); err != nil || string(b) != "playlist" {
			t.Fatalf("%q, %v", b, err)
		}
		p.Stop()
		if _, err := io.ReadAll(p.Stdout); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := p.Wait(); !errors.As(err, &exit) || p.Stderr.String() != "problem" {
			t.Errorf("%v, %q", err, p.Stderr)
		}
	}
	run()
	before := descriptors(t)
	for range 20 {
		run()
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors after 20 runs, %d before", after, before)
	}
	for range 20 {
		if _, err := Start(Config{Path: "/nowhere/ffmpeg", Stdin: strings.NewReader("playlist")}); err == nil {
			t.Fatal("started a program that does not exist")
		}
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors after 20 failed starts, %d before", after, before)
	}
}

func TestTail_KeepsTheEndWithoutSecrets(t *testing.T) {
	long := strings.Repeat("x", 3*tailBytes)
	for name, c := range map[string]struct {
		writes []string
		want   string
	}{
		"lines":             {[]string{"one\ntwo\n"}, "one; two"},
		"in pieces":         {[]string{"o", "ne\nt", "wo\n"}, "one; two"},
		"carriage returns":  {[]string{"one\rtwo\r\n\r\n"}, "one; two"},
		"secret":            {[]string{"at rtsp://u:s3cret@cam\n"}, "at rtsp://***cam"},
		"secret in pieces":  {[]string{"at rtsp://u:s3", "cret@cam\n"}, "at rtsp://***cam"},
		"secret alone":      {[]string{"s3cret\n"}, "***"},
		"last line open":    {[]string{"one\ntwo"}, "one; two"},
		"only an open line": {[]string{"Killed"}, "Killed"},
		"open with secret":  {[]string{"u:s3cret@"}, "***"},
		"repeated":          {[]string{"one\ntwo\ntwo\ntwo\none\n"}, "one; two; one"},
		"long line":         {[]string{"one\n" + long + "\ntwo\n"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tail := &Tail{hide: []string{"u:s3cret@", "s3cret"}}
			for _, w := range c.writes {
				tail.take([]byte(w))
			}
			got := tail.String()
			if c.want != "" && got != c.want || len(got) > 2*tailBytes {
				t.Errorf("%.100q (%d bytes), want %q", got, len(got), c.want)
			}
		})
	}
	noticed := 0
	tail := &Tail{notice: func(string) bool { noticed++; return true }}
	for i := range 10_000 {
		tail.take(fmt.Appendf(nil, "a line of some length, number %d\n", i))
	}
	if noticed != 10_000 || len(tail.String()) > 2*tailBytes || len(tail.lines) > 200 {
		t.Errorf("%d lines noticed, %d kept", noticed, len(tail.lines))
	}
}
