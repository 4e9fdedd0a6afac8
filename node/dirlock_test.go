package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLockDir_OneAtATime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	first, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockDir(dir); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "its own data_dir") {
		t.Errorf("%v, want %v with the directory and what to do", err, ErrLocked)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockDir(dir)
	if err != nil {
		t.Fatalf("after the first has gone: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLockDir_NamesWhatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lockDir(filepath.Join(file, "data")); err == nil || !strings.Contains(err.Error(), "data_dir") || errors.Is(err, ErrLocked) {
		t.Errorf("%v, want it to name data_dir", err)
	}
}
