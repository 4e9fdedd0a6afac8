package page_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/edge-video/edge-video/test/harness"
)

// look is how a tab sees the page.
type look struct {
	width, height int64 // 0 is a desktop's
	dark          bool
	still         bool   // reduced motion
	user          string // name:password, in the address
}

// tab is a tab of the browser. Whatever the page says on its console, and what its policy forbids, fails the test.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string
	user string // in the addresses of what the page consists of

	mu    sync.Mutex
	said  []string
	asked []string // addresses
}

// patience is how long the page may take to show something, beside others at work.
const patience = 20 * time.Second

// open opens a tab at a place of the page.
func open(t *testing.T, node *harness.Node, place string, l look) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	tb := &tab{t: t, ctx: ctx, base: node.URL(), user: l.user}
	t.Cleanup(func() {
		tb.check()
		cancel()
	})
	tb.listen()
	if l.width == 0 {
		l.width, l.height = 1440, 900
	}
	var options []chromedp.EmulateViewportOption
	if l.width < 600 {
		options = append(options, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	scheme, motion := "light", "no-preference"
	if l.dark {
		scheme = "dark"
	}
	if l.still {
		motion = "reduce"
	}
	tb.do(chromedp.EmulateViewport(l.width, l.height, options...), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion}}})
		return err
	}))
	address := tb.base + "/" + place
	if l.user != "" {
		address = strings.Replace(address, "http://", "http://"+l.user+"@", 1)
	}
	tb.do(chromedp.Navigate(address))
	return tb
}

// listen notes what the page says and asks for.
func (tb *tab) listen() {
	tb.t.Helper()
	console := chromedp.Console(tb.ctx)
	requests := chromedp.Events(tb.ctx, network.RequestWillBeSent)
	go func() {
		for m, err := range console {
			if err != nil {
				return
			}
			tb.mu.Lock()
			tb.said = append(tb.said, fmt.Sprint(m.Type, ": ", m, " ", m.URL))
			tb.mu.Unlock()
		}
	}()
	go func() {
		for e, err := range requests {
			if err != nil {
				return
			}
			tb.mu.Lock()
			tb.asked = append(tb.asked, strings.Replace(e.Request.URL, "//"+tb.user+"@", "//", 1))
			tb.mu.Unlock()
		}
	}()
}

// check holds the page to what it may say and ask for. That a request failed the browser says by itself.
func (tb *tab) check() {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, s := range tb.said {
		if !strings.Contains(s, "Failed to load resource") {
			tb.t.Errorf("the page says %s", s)
		}
	}
	for _, a := range tb.asked {
		if !strings.HasPrefix(a, tb.base+"/") && !strings.HasPrefix(a, "data:") { // Chromium's own icons
			tb.t.Errorf("the page asks for %s, which is of another host", a)
		}
	}
}

// requests are the addresses asked for since n of them.
func (tb *tab) requests(n int) []string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	return append([]string(nil), tb.asked[n:]...)
}

func (tb *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		tb.t.Fatal(err)
	}
}

// get is the value of an expression on the page; a promise is waited for.
func get[T any](tb *tab, expression string) T {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, time.Minute)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		tb.t.Fatalf("%v in %s", err, expression)
	}
	return v
}

// wait waits until an expression is true on the page.
func (tb *tab) wait(what, expression string) {
	tb.t.Helper()
	deadline := time.Now().Add(patience)
	for !get[bool](tb, "Boolean("+expression+")") {
		if time.Now().After(deadline) {
			tb.shot("failed")
			tb.t.Fatalf("waited %v for %s: %s\n%s", patience, what, expression, get[string](tb, "document.body.innerText"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// words are the text of the first element that a selector finds.
func (tb *tab) words(selector string) string {
	tb.t.Helper()
	return get[string](tb, fmt.Sprintf("document.querySelector(%q)?.textContent ?? ''", selector))
}

// box is where an element is.
type box struct{ X, Y, Width, Height float64 }

func (tb *tab) box(selector string) box {
	tb.t.Helper()
	return get[box](tb, fmt.Sprintf("(({x, y, width, height}) => ({X: x, Y: y, Width: width, Height: height}))(document.querySelector(%q).getBoundingClientRect())", selector))
}

// click clicks with the mouse at where an element is.
func (tb *tab) click(selector string) {
	tb.t.Helper()
	get[bool](tb, fmt.Sprintf("document.querySelector(%q).scrollIntoView({ block: 'center' }) === undefined", selector))
	b := tb.box(selector)
	tb.do(chromedp.MouseClickXY(b.X+b.Width/2, b.Y+b.Height/2))
}

func (tb *tab) press(keys string) {
	tb.t.Helper()
	tb.do(chromedp.KeyEvent(keys))
}

// shot writes what the tab shows into the test's folder, or that which EDGE_VIDEO_SHOTS names.
func (tb *tab) shot(name string) {
	tb.t.Helper()
	png, err := chromedp.Run(tb.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		tb.t.Errorf("looking at the page: %v", err)
		return
	}
	dir := os.Getenv("EDGE_VIDEO_SHOTS")
	if dir == "" {
		dir = tb.t.TempDir()
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		tb.t.Error(err)
	}
}
