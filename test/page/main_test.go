// Package page_test looks at the page as people do: in a real Chromium, at a real node.
package page_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/edge-video/edge-video/test/harness"
)

var (
	program string          // edge-video, built with the race detector
	browser context.Context // of the one Chromium that all tests share
)

func TestMain(m *testing.M) {
	os.Exit(harness.WithProgram(func(path string) int {
		program = path
		return browse(m)
	}, "-race"))
}

// browse runs the tests in a Chromium of their own.
func browse(m *testing.M) int {
	allocator, stop := chromedp.NewExecAllocator(context.Background(), chromedp.Headless, chromedp.NoSandbox)
	defer stop()
	var end context.CancelFunc
	browser, end = chromedp.NewContext(allocator)
	defer end()
	if err := chromedp.Do(browser); err != nil {
		fmt.Fprintf(os.Stderr, "starting Chromium: %v; make deps installs it (package chromium)\n", err)
		return 1
	}
	return m.Run()
}
