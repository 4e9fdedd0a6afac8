package harness

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Build compiles edge-video with the given flags and returns the path of a copy in dir. What was compiled stays in the checkout's bin, where
// the next package of tests finds it: to link it takes longer than many a test.
func Build(dir string, flags ...string) (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("looking for the checkout: %w", err)
	}
	bin := filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", fmt.Errorf("building edge-video: %w", err)
	}
	built := filepath.Join(bin, "edge-video"+strings.Join(flags, "")+".test")
	lock, err := os.OpenFile(built+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", fmt.Errorf("building edge-video: %w", err)
	}
	defer lock.Close() // which unlocks it
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("building edge-video: %w", err)
	}
	args := append([]string{"build", "-o", built}, flags...)
	if out, err := exec.Command("go", append(args, "github.com/edge-video/edge-video/cmd/edge-video")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building edge-video: %w\n%s", err, out)
	}
	path := filepath.Join(dir, "edge-video")
	return path, copyProgram(path, built)
}

func copyProgram(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copying edge-video: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return fmt.Errorf("copying edge-video: %w", err)
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close() // the other error says more
		return fmt.Errorf("copying edge-video: %w", err)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("copying edge-video: %w", err)
	}
	return nil
}
