package node_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node"
)

func TestHorizon_IsWhateverLimitComesFirst(t *testing.T) {
	for _, c := range []struct {
		age   time.Duration
		bytes int64
		rate  float64
		want  time.Duration
	}{
		{6 * time.Hour, 10 << 30, 0, 6 * time.Hour},
		{6 * time.Hour, 10 << 30, -1, 6 * time.Hour},
		{6 * time.Hour, 3600 << 20, 1 << 20, time.Hour},
		{6 * time.Hour, 10 << 30, 1, 6 * time.Hour},
		{6 * time.Hour, 0, 1 << 20, 0},
		{6 * time.Hour, 1 << 62, 1e-9, 6 * time.Hour},
		{time.Second, 1 << 20, 2 << 20, 500 * time.Millisecond},
	} {
		if got := node.Horizon(c.age, c.bytes, c.rate); got != c.want {
			t.Errorf("Horizon(%v, %d, %v) = %v, want %v", c.age, c.bytes, c.rate, got, c.want)
		}
	}
}

func TestDiskOf_LooksAtTheDiskThatWillHoldTheDirectory(t *testing.T) {
	dir := t.TempDir()
	here, err := node.DiskOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	if here.Free <= 0 || here.Total < here.Free || here.Floor < 32<<20 || here.Floor > 1<<30 {
		t.Errorf("%+v", here)
	}
	later, err := node.DiskOf(filepath.Join(dir, "not", "yet", "there"))
	if err != nil || later.Total != here.Total {
		t.Errorf("%+v, %v, want the same disk of %d bytes", later, err, here.Total)
	}
	t.Chdir(dir)
	if relative, err := node.DiskOf("data"); err != nil || relative.Total != here.Total {
		t.Errorf("a relative path: %+v, %v", relative, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := node.DiskOf(filepath.Join(file, "below")); err == nil {
		t.Error("a directory below a file has a disk")
	}
}
