package harness

import (
	"fmt"
	"os"
)

// WithProgram builds edge-video with the given flags into a folder of its own, for as long as run takes, which is given its path. It returns
// run's exit code, 1 where there is no program.
func WithProgram(run func(program string) int, flags ...string) int {
	dir, err := os.MkdirTemp("", "edge-video-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program, err := Build(dir, flags...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run(program)
}
