package page_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestWall_AsksForVisiblePicturesAlone holds a wall of a hundred cameras to what is seen of it, and to two requests at a time.
func TestWall_AsksForVisiblePicturesAlone(t *testing.T) {
	t.Parallel()
	node := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: "  []"})
	harness.WaitFor(t, patience, "the node to be ready", func() bool { return node.Readyz().Status == http.StatusOK })
	js := node.JetStream()
	for i := range 100 {
		c := makeUp(t, js, fmt.Sprintf("cam-%02d", i))
		c.frame(t.Context())
		c.state(schema.CameraUp, "")
	}
	tb := open(t, node, "", look{})
	// What is under way is counted where it begins and ends.
	get[bool](tb, `(() => {
		const fetched = window.fetch;
		window.under = window.most = 0;
		window.fetch = async (...args) => {
			if (!String(args[0]).includes("snapshot.jpg")) return fetched(...args);
			window.most = Math.max(window.most, ++window.under);
			try { return await fetched(...args); } finally { window.under--; }
		};
		return true;
	})()`)
	tb.wait("a hundred tiles", "document.querySelectorAll('.tile').length === 100")
	tb.wait("pictures of those that are seen", `[...document.querySelectorAll('.tile')].every((t) => t.classList.contains('seen') || t.getBoundingClientRect().top > innerHeight)`)
	asked := func(since int) map[string]bool {
		all := map[string]bool{}
		for _, a := range tb.requests(since) {
			u, err := url.Parse(a)
			if err != nil {
				t.Fatal(err)
			}
			if camera, ok := strings.CutSuffix(strings.TrimPrefix(u.Path, "/api/v1/cameras/"), "/snapshot.jpg"); ok {
				all[camera] = true
			}
		}
		return all
	}
	// A row more above and below is had beforehand.
	near := get[int](tb, "[...document.querySelectorAll('.tile')].filter((t) => t.getBoundingClientRect().top < innerHeight + 100).length")
	if n := len(asked(0)); n > near || n < 10 {
		t.Errorf("pictures of %d cameras were asked for, where %d are seen", n, near)
	}
	if asked(0)["cam-99"] {
		t.Error("a picture that nobody sees was asked for")
	}
	tb.shot("wall-100")
	get[bool](tb, "scrollTo(0, document.documentElement.scrollHeight) === undefined")
	tb.wait("the last picture", tile("cam-99")+".classList.contains('seen')")
	tb.wait("what was under way", "new Promise((done) => setTimeout(() => done(true), 1000))")
	before := len(tb.requests(0))
	harness.WaitFor(t, patience, "the page to ask for the last again", func() bool { return asked(before)["cam-99"] })
	if asked(before)["cam-00"] {
		t.Error("scrolled to the end, the page asks for the first")
	}
	if most := get[int](tb, "window.most"); most > 2 {
		t.Errorf("%d pictures were asked for at a time", most)
	}
}
