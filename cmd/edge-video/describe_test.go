package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edge-video/edge-video/test/harness"
)

func TestDescribe_FileThatIsMissingFailsAndOthersAreDescribed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.jpg")
	if err := os.WriteFile(path, harness.GenerateJPEG(t, 16, 16, 60, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	r := execute(t, "describe", "/nowhere/b.jpg", path)
	if r.code != exitFailed || !strings.Contains(r.err, "/nowhere/b.jpg") || !strings.HasPrefix(r.out, path+": JPEG, 16x16") {
		t.Errorf("%+v", r)
	}
}
