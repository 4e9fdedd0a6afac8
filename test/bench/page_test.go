package bench_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/edge-video/edge-video/test/harness"
)

// BenchmarkPage100 is what the page costs a node with 100 cameras while one browser shows all of them: the node's CPU and that of all its
// processes, beyond what they take without. The cameras send 720p30, stored as it comes, or sub-streams stored as JPEG.
func BenchmarkPage100(b *testing.B) {
	const cameras = 100
	for _, kind := range []struct {
		name string
		rate float64
		url  func(b *testing.B) func(int) string
	}{
		{"copy", 30, func(b *testing.B) func(int) string {
			p := harness.StartPlayer(b, harness.MakeClip(b, time.Minute), 30)
			return func(n int) string { return fmt.Sprintf("url: '%s', mode: copy", p.URL(n)) }
		}},
		{"jpeg", 2, func(*testing.B) func(int) string {
			return func(int) string { return "url: 'lavfi:testsrc2=size=640x360:rate=2', fps: 2" }
		}},
	} {
		b.Run(kind.name, func(b *testing.B) {
			for b.Loop() {
				f := startFleet(b, cameras, kind.url(b))
				f.catchUp(kind.rate * cameras)
				without, waited := f.measure(window), finished(f.node.PID())
				waited = finished(f.node.PID()) - waited
				page := openPage(b, f.node.URL()+"/")
				page.wait("document.querySelectorAll('.tile.seen').length > 10")
				before := finished(f.node.PID())
				with := f.measure(window)
				b.ReportMetric(with.nodeCores-without.nodeCores, "node-cores-more")
				b.ReportMetric(with.cores-without.cores+(finished(f.node.PID())-before-waited)/(window+settle).Seconds(), "cores-more")
				b.ReportMetric(with.rate/without.rate, "frames-ratio")
				b.ReportMetric(with.dropped+with.lost+with.rejected, "dropped")
				b.ReportMetric(without.cores, "cores-without")
				b.ReportMetric(0, "ns/op")
				page.close()
				f.node.Stop()
			}
		})
	}
}

// BenchmarkPageLive is how far the picture on the page is behind its capture.
func BenchmarkPageLive(b *testing.B) {
	for _, mode := range []string{"jpeg", "copy"} {
		b.Run(mode, func(b *testing.B) {
			for b.Loop() {
				camera := harness.StartRTSP(b, harness.RTSPOptions{Width: 1280, Height: 720})
				f := startFleet(b, 1, func(int) string { return fmt.Sprintf("url: '%s', mode: %s", camera.URL(), mode) })
				page := openPage(b, f.node.URL()+"/#/camera/cam-0")
				page.wait("document.querySelector('.stage').dataset.mode === 'live'")
				late := page.lateness(window)
				slices.Sort(late)
				b.ReportMetric(late[len(late)/2], "p50-ms")
				b.ReportMetric(late[len(late)*99/100], "p99-ms")
				b.ReportMetric(float64(len(late))/window.Seconds(), "pictures/s")
				b.ReportMetric(0, "ns/op")
				page.close()
				f.node.Stop()
				camera.Stop()
			}
		})
	}
}

// finished is the CPU time, in seconds, of a process's children that have ended.
func finished(pid int) float64 {
	const ticks = 100
	st := stat(pid)
	return float64(st.CUTime+st.CSTime) / ticks
}

// openedPage is the page in a Chromium of its own.
type openedPage struct {
	b     *testing.B
	ctx   context.Context
	close context.CancelFunc
}

func openPage(b *testing.B, url string) *openedPage {
	b.Helper()
	allocator, stop := chromedp.NewExecAllocator(b.Context(), chromedp.Headless, chromedp.NoSandbox)
	ctx, end := chromedp.NewContext(allocator)
	p := &openedPage{b: b, ctx: ctx, close: func() { end(); stop() }}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1440, 900), chromedp.Navigate(url)); err != nil {
		p.close()
		b.Fatalf("opening the page: %v; make deps installs Chromium", err)
	}
	return p
}

func (p *openedPage) wait(expression string) {
	p.b.Helper()
	if _, err := chromedp.Run(p.ctx, chromedp.Poll[chromedp.Void]("Boolean("+expression+")", chromedp.WithPollingTimeout(time.Minute))); err != nil {
		p.b.Fatalf("waiting for %s: %v", expression, err)
	}
}

// lateness is, for each picture painted in a while, how many milliseconds after its capture that was.
func (p *openedPage) lateness(d time.Duration) []float64 {
	p.b.Helper()
	late, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]float64](fmt.Sprintf(`new Promise((done) => {
		const canvas = document.querySelector('.stage canvas'), late = [];
		new MutationObserver(() => late.push(Date.now() - Number(canvas.dataset.captured))).observe(canvas, { attributeFilter: ['data-painted'] });
		setTimeout(() => done(late), %d);
	})`, d.Milliseconds()), chromedp.EvalAwaitPromise))
	if err != nil {
		p.b.Fatal(err)
	}
	if len(late) == 0 {
		p.b.Fatal("no picture was painted")
	}
	return late
}
