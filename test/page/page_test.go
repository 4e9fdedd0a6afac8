package page_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// house is a node with something of everything, and a camera that the test makes up.
type house struct {
	node  *harness.Node
	ghost *made
}

// cameras of a house: three made-up pictures, of which one is stored as it is encoded, and one camera that refuses.
const houseCameras = `  - {id: dock-1, url: 'lavfi:testsrc=size=320x240:rate=10:decimals=2'}
  - {id: dock-2, url: 'lavfi:testsrc2=size=320x180:rate=10'}
  - {id: gate, mode: copy, url: '%s'}
  - {id: yard, url: 'rtsp://127.0.0.1:1/stream1'}`

func TestPage(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t, harness.RedisOptions{})
	camera := harness.StartRTSP(t, harness.RTSPOptions{Width: 320, Height: 180})
	bridges := fmt.Sprintf("  - {name: cache, redis: {url: '%s', key: 'frames:{camera}:{seq}'}}\n"+
		"  - {name: lost, breaker: {failures: 1, open: 1h, max_open: 1h}, redis: {url: 'redis://127.0.0.1:1', key: 'frames:{camera}:{seq}'}}", redis.URL())
	h := &house{node: harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: fmt.Sprintf(houseCameras, camera.URL()), Bridges: bridges})}
	harness.WaitFor(t, time.Minute, "three cameras to deliver", func() bool { return h.node.Metric("edge_video_camera_up") == 3 })
	h.ghost = makeUp(t, h.node.JetStream(), "ghost")
	h.ghost.state(schema.CameraUp, "")
	h.ghost.speak()
	for _, test := range []struct {
		name string
		run  func(*testing.T, *house)
	}{
		{"WallShowsEveryCameraInPictureAndWords", wallShows},
		{"WallIsWalkedByKeys", wallByKeys},
		{"LivePictureSaysItsAgeAndTurnsGrey", liveTurnsGrey},
		{"TimelineLeadsToAnyMomentHeld", timelineLeads},
		{"TimelineMarksGapsAndEvents", timelineMarks},
		{"VideoIsSeenLiveAndInThePast", videoIsSeen},
		{"SpanIsSavedAsClip", spanIsSaved},
		{"BridgesShowBreakerBacklogAndDrill", bridgesShow},
		{"EventsComeAndAreChosen", eventsCome},
		{"WhatCamerasSayIsText", textOnly},
		{"StatesAreAnnounced", statesAnnounced},
		{"EveryControlHasAName", controlsNamed},
		{"FitsAPhone", fitsPhone},
		{"ThemeFollowsTheSystemUntilChosen", themeFollows},
		{"MotionIsReduced", motionReduced},
		{"HiddenPageAsksForNothing", hiddenAsksNothing},
		{"CutConnectionIsSaidAndComesBack", cutIsSaid},
	} {
		if !t.Run(test.name, func(t *testing.T) { test.run(t, h) }) && t.Context().Err() != nil {
			return
		}
	}
}

func wallShows(t *testing.T, h *house) {
	tb := open(t, h.node, "", look{})
	tb.wait("a tile for each camera", "document.querySelectorAll('.tile').length === 5")
	for camera, word := range map[string]string{"dock-1": "up", "dock-2": "up", "gate": "up", "yard": "retrying", "ghost": "up"} {
		tb.wait(camera+" to be "+word, fmt.Sprintf("%s?.querySelector('.state').textContent === %q", tile(camera), word))
		if tone := get[string](tb, tile(camera)+".dataset.tone"); (tone == "ok") != (word == "up") {
			t.Errorf("%s is %s and has the tone %s", camera, word, tone)
		}
	}
	for _, camera := range []string{"dock-1", "dock-2", "gate", "ghost"} {
		tb.wait("a picture of "+camera, tile(camera)+".classList.contains('seen')")
	}
	if odd := get[int](tb, "[...document.querySelectorAll('.shot')].filter((s) => Math.abs(s.clientHeight / s.clientWidth - 9 / 16) > 0.01).length"); odd > 0 {
		t.Errorf("%d tiles are not of one shape with the others", odd)
	}
	first := get[string](tb, tile("dock-2")+".querySelector('canvas').toDataURL()")
	tb.wait("another picture", fmt.Sprintf("%s.querySelector('canvas').toDataURL() !== %q", tile("dock-2"), first))
	tb.wait("figures", fmt.Sprintf("/^(9|1\\d)\\.\\d fps$/.test(%[1]s.querySelector('.figures span').textContent) && /^\\d+ ms/.test(%[1]s.querySelector('.late').textContent)", tile("dock-2")))
	tb.wait("a line", tile("dock-2")+".querySelector('.spark .line').getAttribute('d').includes('L')")
	if label := get[string](tb, tile("yard")+".getAttribute('aria-label')"); !strings.Contains(label, "0.0 frames a second") || !strings.Contains(label, "refused") {
		t.Errorf("to a screen reader yard is %q", label)
	}
	tb.shot("wall")
	tb.click(".chip[data-tone=ok]")
	tb.wait("the cameras that are up alone", "document.querySelectorAll('.tile:not([hidden])').length === 4")
	tb.click(".chip[data-tone=ok]")
	tb.do(chromedp.SendKeys(chromedp.CSS("input[type=search]"), "dock"))
	tb.wait("cameras of that name alone", "document.querySelectorAll('.tile:not([hidden])').length === 2")
}

// tile is the tile of a camera.
func tile(camera string) string {
	return fmt.Sprintf("document.querySelector('.tile[href=\"#/camera/%s\"]')", camera)
}

func wallByKeys(t *testing.T, h *house) {
	tb := open(t, h.node, "", look{})
	tb.wait("tiles", "document.querySelectorAll('.tile').length === 5")
	tb.press(kb.ArrowRight)
	tb.wait("the first tile to have the focus", "document.activeElement.getAttribute('href') === '#/camera/dock-1'")
	tb.press(kb.ArrowRight)
	tb.wait("the next one", "document.activeElement.getAttribute('href') === '#/camera/dock-2'")
	if outline := get[string](tb, "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth"); !strings.HasPrefix(outline, "solid2") {
		t.Errorf("the focus is shown by an outline %s", outline)
	}
	tb.shot("focus")
	tb.press(kb.Enter)
	tb.wait("the camera", "document.querySelector('h1').textContent === 'dock-2'")
	tb.press("n")
	tb.wait("the next camera", "document.querySelector('h1').textContent === 'gate'")
	tb.press(kb.Escape)
	tb.wait("the wall", "document.querySelectorAll('.tile').length === 5")
	tb.press("2")
	tb.wait("the bridges", "document.querySelector('h1').textContent === 'Bridges'")
	tb.press("?")
	tb.wait("the keys", "document.querySelector('#help').open")
	tb.shot("keys")
	tb.press(kb.Escape)
	tb.wait("the keys to go", "!document.querySelector('#help').open && document.querySelector('h1').textContent === 'Bridges'")
	tb.press("4")
	tb.wait("the events", "document.body.dataset.view === 'events'")
	tb.press("/")
	tb.wait("the search", "document.activeElement.type === 'search'")
}

const stage = "document.querySelector('.stage')"

// captured is when the large picture was captured, in milliseconds.
func (tb *tab) captured() float64 {
	return get[float64](tb, "Number(document.querySelector('.stage canvas').dataset.captured)")
}

func liveTurnsGrey(t *testing.T, h *house) {
	tb := open(t, h.node, "#/camera/ghost", look{dark: true})
	tb.wait("a live picture", stage+".dataset.mode === 'live' && /^live, \\d\\.\\d s$/.test(document.querySelector('.badge').textContent)")
	before := tb.captured()
	tb.wait("the next one", fmt.Sprintf("Number(document.querySelector('.stage canvas').dataset.captured) > %f", before))
	h.ghost.silence()
	defer h.ghost.speak()
	silent := time.Now()
	tb.wait("it to be no longer live", stage+".dataset.mode === 'stalled'")
	if took := time.Since(silent); took > 5*time.Second {
		t.Errorf("an old picture was shown as live for %v", took)
	}
	tb.wait("its age", "/^last picture \\d+ s ago$/.test(document.querySelector('.cover').textContent) && document.querySelector('.badge').textContent === 'not live'")
	tb.wait("it to be grey", "getComputedStyle(document.querySelector('.stage canvas')).filter.includes('grayscale(1)')")
	tb.shot("stalled")
	h.ghost.speak()
	tb.wait("it to be live again", stage+".dataset.mode === 'live'")
	h.ghost.silence()
}

func timelineLeads(t *testing.T, h *house) {
	tb := open(t, h.node, "#/camera/dock-2", look{})
	tb.wait("a timeline", "Number(document.querySelector('.strip').getAttribute('aria-valuemax')) - Number(document.querySelector('.strip').getAttribute('aria-valuemin')) > 5")
	tb.wait("a live picture", stage+".dataset.mode === 'live'")
	strip := tb.box(".strip")
	at := func(share float64) (x, y float64) { return strip.X + share*strip.Width, strip.Y + 35 }
	moment := func(share float64) float64 {
		return get[float64](tb, fmt.Sprintf("(([a, b]) => a + (b - a) * %f)(['aria-valuemin', 'aria-valuemax'].map((n) => 1000 * document.querySelector('.strip').getAttribute(n)))", share))
	}
	fromX, fromY := at(0.9)
	toX, toY := at(0.3)
	tb.do(chromedp.DragAndDropXY(fromX, fromY, toX, toY, 12))
	// What is held grows while the mouse is on its way, and the ends are said in whole seconds.
	tb.wait("the moment of the mouse", fmt.Sprintf("%s.dataset.mode === 'past' && Math.abs(Number(document.querySelector('.stage canvas').dataset.captured) - %f) < 2500", stage, moment(0.3)))
	if n := len(tb.requests(0)); n > 200 {
		t.Errorf("dragging has asked %d times", n)
	}
	badge := tb.words(".badge")
	if !strings.Contains(badge, "ago") || strings.Contains(badge, "live") {
		t.Errorf("a picture of the past is called %q", badge)
	}
	tb.shot("past")
	shown := tb.captured()
	tb.press(",")
	tb.wait("the picture before", fmt.Sprintf("((d) => d > 20 && d < 350)(%f - Number(document.querySelector('.stage canvas').dataset.captured))", shown))
	tb.press(".")
	tb.wait("the picture after", fmt.Sprintf("Math.abs(Number(document.querySelector('.stage canvas').dataset.captured) - %f) < 2", shown))
	tb.press(kb.ArrowLeft)
	tb.wait("an earlier one", fmt.Sprintf("Number(document.querySelector('.stage canvas').dataset.captured) < %f - 50", shown))
	tb.press(kb.Home)
	tb.wait("the oldest", "Math.abs(Number(document.querySelector('.stage canvas').dataset.captured) / 1000 - Number(document.querySelector('.strip').getAttribute('aria-valuemin'))) < 1.2")
	tb.press(" ")
	before := tb.captured()
	tb.wait("the past to go on", fmt.Sprintf("Number(document.querySelector('.stage canvas').dataset.captured) > %f + 900", before))
	tb.press(" ")
	tb.press("+")
	tb.press("+")
	tb.shot("zoomed")
	tb.press("l")
	tb.wait("live again", stage+".dataset.mode === 'live'")
}

func timelineMarks(t *testing.T, h *house) {
	h.ghost.speak()
	h.ghost.event(schema.Event{Kind: schema.KindGap, Reason: "stall", Count: 40})
	tb := open(t, h.node, "#/camera/ghost", look{dark: true})
	tb.wait("a gap and the event", "/[1-9] gaps?, /.test(document.querySelector('#timeline-summary').textContent) && document.querySelector('.feed').textContent.includes('lacks 40 frames (stall)')")
	tb.wait("the gap to be seen", `(() => {
		const strip = document.querySelector('.strip');
		const row = strip.getContext('2d').getImageData(0, 35 * devicePixelRatio, strip.width, 1).data;
		const held = row.slice(4 * 20, 4 * 20 + 3).join();
		let other = 0;
		for (let x = 10; x < strip.width - 20; x++) if (row.slice(4 * x, 4 * x + 3).join() !== held) other++;
		return other > 10;
	})()`)
	tb.shot("marks")
	h.ghost.event(schema.Event{Kind: schema.KindState, State: "stalled", Message: "no picture"})
	tb.wait("what happens meanwhile", "document.querySelector('.feed').textContent.includes('is stalled: no picture')")
	tb.click(".feed .moment")
	tb.wait("the picture of then", stage+".dataset.mode === 'past' || "+stage+".dataset.mode === 'live'")
}

func videoIsSeen(t *testing.T, h *house) {
	tb := open(t, h.node, "#/camera/gate", look{})
	tb.wait("a live picture", stage+".dataset.mode === 'live'")
	tb.wait("its size", "document.querySelector('[data-fact=size]').textContent.includes('320×180')")
	tb.press(kb.ArrowLeft)
	tb.wait("a picture of the past", stage+".dataset.mode === 'past' && document.querySelector('.badge').textContent.includes('ago') && document.querySelector('.cover').hidden")
	tb.shot("video")
}

func spanIsSaved(t *testing.T, h *house) {
	tb := open(t, h.node, "#/camera/dock-2", look{})
	tb.wait("a timeline", "Number(document.querySelector('.strip').getAttribute('aria-valuemax')) - Number(document.querySelector('.strip').getAttribute('aria-valuemin')) > 10")
	if get[bool](tb, "document.querySelector('.clip .button').hasAttribute('href')") {
		t.Error("a clip of nothing can be saved")
	}
	tb.press("]")
	tb.wait("a span", "document.querySelector('.clip .button').hasAttribute('href')")
	for format, decoder := range map[string]string{"mp4": "mov,mp4,m4a,3gp,3g2,mj2", "mkv": "matroska,webm"} {
		tb.do(chromedp.SetValue(chromedp.CSS(".clip select"), format))
		get[bool](tb, "document.querySelector('.clip select').dispatchEvent(new Event('change'))")
		href := get[string](tb, "document.querySelector('.clip .button').href")
		name, seconds := probe(t, href)
		if name != decoder || seconds < 8 || seconds > 12 {
			t.Errorf("%s is a %s of %.1f s, not ten", href, name, seconds)
		}
	}
	tb.shot("clip")
	picture := get[string](tb, "document.querySelector('.clip .quiet').href")
	if body := fetchAll(t, picture); len(body) < 3 || body[0] != 0xff || body[1] != 0xd8 {
		t.Errorf("%s is no JPEG", picture)
	}
}

// probe is what FFmpeg takes a clip for, and how long that is.
func probe(t *testing.T, url string) (format string, seconds float64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clip")
	if err := os.WriteFile(path, fetchAll(t, url), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ffprobe", "-v", "error", "-of", "json", "-show_entries", "format=format_name:packet=pts_time", path).Output()
	if err != nil {
		t.Fatalf("looking at %s: %v", url, err)
	}
	var p struct {
		Format struct {
			Name string `json:"format_name"`
		} `json:"format"`
		Packets []struct {
			Time string `json:"pts_time"`
		} `json:"packets"`
	}
	if err := json.Unmarshal(out, &p); err != nil || len(p.Packets) == 0 {
		t.Fatalf("%s: %v, %d pictures", url, err, len(p.Packets))
	}
	at := func(n int) float64 {
		s, err := strconv.ParseFloat(p.Packets[n].Time, 64)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return p.Format.Name, at(len(p.Packets)-1) - at(0)
}

func fetchAll(t *testing.T, url string) []byte {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	return body
}

func bridgesShow(t *testing.T, h *house) {
	tb := open(t, h.node, "#/bridges", look{})
	card := func(name string) string {
		return fmt.Sprintf("document.querySelector('[aria-label=\"Bridge %s\"]')", name)
	}
	tb.wait("both bridges", card("cache")+" && "+card("lost"))
	tb.wait("one to deliver", card("cache")+".querySelector('.state').textContent === 'delivering (breaker closed)'")
	tb.wait("the other to wait, and why", card("lost")+".querySelector('.state').textContent === 'waiting (breaker open)' && "+card("lost")+".querySelector('.error').textContent.startsWith('refused: ')")
	tb.wait("backlog, drain and horizon", fmt.Sprintf(`((facts) => /backlog.*\d frames/.test(facts) && /until it is drained(not known|about)/.test(facts) && /an outage still fits\d/.test(facts))(%s.querySelector('.facts').textContent)`, card("lost")))
	tb.wait("the streams", "document.querySelector('tbody').textContent.includes('FRAMES')")
	tb.shot("bridges")
	get[bool](tb, card("cache")+".querySelector('[data-act=drill]').click() === undefined")
	tb.wait("the question", "document.querySelector('main dialog').open")
	tb.shot("drill")
	tb.do(chromedp.SetValue(chromedp.CSS("main dialog select"), "30s"))
	tb.click("main dialog .primary")
	tb.wait("the drill", card("cache")+".querySelector('.state').textContent === 'drill: breaker held open'")
	tb.wait("the way to end it", card("cache")+".querySelector('.acts').textContent === 'End the drill'")
	get[bool](tb, card("cache")+".querySelector('.acts button').click() === undefined")
	tb.wait("it to deliver again", card("cache")+".querySelector('.state').textContent === 'delivering (breaker closed)'")
}

func eventsCome(t *testing.T, h *house) {
	tb := open(t, h.node, "#/events", look{})
	tb.wait("what has happened", "document.querySelector('.feed').textContent.includes('yard') && document.querySelectorAll('.feed li').length > 3")
	h.ghost.event(schema.Event{Kind: schema.KindSize, Width: 1920, Height: 1080})
	tb.wait("what happens", "document.querySelector('.feed li .said').textContent === 'sends 1920×1080 now'")
	tb.shot("events")
	tb.do(chromedp.SendKeys(chromedp.CSS("input[type=search]"), "1920"))
	tb.wait("that alone", "document.querySelectorAll('.feed li').length === 1")
	get[bool](tb, "[...document.querySelectorAll('.chip')].find((c) => c.textContent === 'bridge').click() === undefined")
	tb.wait("none, for it is of a camera", "document.querySelectorAll('.feed li').length === 0 && !document.querySelector('.empty').hidden")
	get[bool](tb, "[...document.querySelectorAll('.chip')].find((c) => c.textContent === 'bridge').click() === undefined")
	tb.click(".feed a.who")
	tb.wait("the camera at that moment", "document.querySelector('h1')?.textContent === 'ghost'")
}

func textOnly(t *testing.T, h *house) {
	const hostile = `<img src=x onerror="document.title='taken'"><b>bold</b>`
	h.ghost.state(schema.CameraBackoff, hostile)
	defer h.ghost.state(schema.CameraUp, "")
	h.ghost.event(schema.Event{Kind: schema.KindState, State: hostile, Reason: hostile, Message: hostile})
	for _, place := range []string{"", "#/camera/ghost", "#/events"} {
		tb := open(t, h.node, place, look{})
		tb.wait("its words", "document.body.textContent.includes('onerror') || [...document.querySelectorAll('.tile')].some((t) => t.title.includes('onerror'))")
		if get[bool](tb, "Boolean(document.querySelector('main img, main b')) || document.title === 'taken'") {
			t.Errorf("at %q what a camera says is taken for HTML", place)
		}
	}
	tb := open(t, h.node, "#/camera/"+strings.ReplaceAll("<b>x<%2Fb>", "<", "%3C"), look{})
	tb.wait("a camera that there is not", "document.querySelector('.camera .state').textContent === 'not a camera of this node' && !document.querySelector('main b')")
}

func statesAnnounced(t *testing.T, h *house) {
	tb := open(t, h.node, "", look{})
	tb.wait("the camera to be up", tile("ghost")+"?.dataset.tone === 'ok'")
	if live := get[string](tb, "document.querySelector('#said').getAttribute('aria-live')"); live != "polite" {
		t.Errorf("changes are announced as %q", live)
	}
	h.ghost.state(schema.CameraStalled, "")
	defer h.ghost.state(schema.CameraUp, "")
	tb.wait("the change to be announced", "document.querySelector('#said').textContent.includes('ghost: stalled')")
	tb.wait("the tile to be grey", tile("ghost")+".classList.contains('stale')")
	tb.wait("the title to tell", "document.title.startsWith('(2) ')")
}

// controlsNamed looks whether everything that can be used, and each picture, has a name for those who do not see it.
func controlsNamed(t *testing.T, h *house) {
	for _, place := range []string{"", "#/camera/dock-1", "#/bridges", "#/sites", "#/events"} {
		tb := open(t, h.node, place, look{})
		tb.wait("the connection", "document.body.dataset.link === 'on'")
		nameless := get[[]string](tb, `[...document.querySelectorAll('a, button, input, select, [role=img], [role=slider], meter, section')].filter((n) =>
			n.checkVisibility() && !n.closest('[aria-hidden=true]') && !(n.getAttribute('aria-label') || n.textContent.trim() || n.labels?.length)).map((n) => n.outerHTML.slice(0, 100))`)
		if len(nameless) > 0 {
			t.Errorf("at %q there are no names for %q", place, nameless)
		}
		if n := get[int](tb, "document.querySelectorAll('h1').length"); n != 1 {
			t.Errorf("at %q there are %d headings of the first rank", place, n)
		}
	}
}

func fitsPhone(t *testing.T, h *house) {
	for name, place := range map[string]string{"wall": "", "camera": "#/camera/dock-1", "bridges": "#/bridges", "sites": "#/sites", "events": "#/events"} {
		tb := open(t, h.node, place, look{width: 390, height: 844, dark: name == "camera"})
		tb.wait("the connection", "document.body.dataset.link === 'on'")
		if name == "wall" {
			tb.wait("pictures", "document.querySelectorAll('.tile.seen').length >= 3")
		}
		if name == "camera" {
			tb.wait("a live picture", stage+".dataset.mode === 'live'")
			// What is said above may move the timeline away below the finger.
			harness.WaitFor(t, patience, "the moment of the finger", func() bool {
				get[bool](tb, "document.querySelector('.strip').scrollIntoView({ block: 'center' }) === undefined")
				strip := tb.box(".strip")
				tb.do(chromedp.TapXY(strip.X+strip.Width/2, strip.Y+30))
				return get[bool](tb, stage+".dataset.mode === 'past'")
			})
		}
		if wide := get[int](tb, "document.documentElement.scrollWidth"); wide > 390 {
			t.Errorf("%s is %d pixels wide on a phone of 390", name, wide)
		}
		if small := get[[]string](tb, `[...document.querySelectorAll('nav a, main button')].filter((n) => n.checkVisibility() && n.getBoundingClientRect().height < 32 &&
			!n.matches('.moment')).map((n) => n.outerHTML.slice(0, 80))`); len(small) > 0 {
			t.Errorf("too small for a finger: %q", small)
		}
		tb.shot("phone-" + name)
	}
}

func themeFollows(t *testing.T, h *house) {
	background := "getComputedStyle(document.documentElement).backgroundColor"
	tb := open(t, h.node, "", look{})
	light := get[string](tb, background)
	dark := open(t, h.node, "", look{dark: true})
	if got := get[string](dark, background); got == light {
		t.Errorf("light and dark are both %s", got)
	}
	dark.wait("pictures", "document.querySelectorAll('.tile.seen').length >= 3")
	dark.shot("wall-dark")
	tb.press("t")
	if got, want := get[string](tb, background), get[string](dark, background); got != want {
		t.Errorf("chosen dark is %s, and the system's %s", got, want)
	}
	tb.do(chromedp.Reload())
	if got, want := get[string](tb, background), get[string](dark, background); got != want {
		t.Errorf("the choice is forgotten: %s", got)
	}
}

func motionReduced(t *testing.T, h *house) {
	tb := open(t, h.node, "", look{still: true})
	tb.wait("tiles", "document.querySelector('.tile')")
	if d := get[string](tb, "getComputedStyle(document.querySelector('.tile')).transitionProperty + getComputedStyle(document.querySelector('.shot canvas')).transitionProperty"); d != "nonenone" {
		t.Errorf("there are still transitions of %s", d)
	}
}

func hiddenAsksNothing(t *testing.T, h *house) {
	tb := open(t, h.node, "", look{})
	tb.wait("pictures", "document.querySelectorAll('.tile.seen').length >= 3")
	get[bool](tb, "Object.defineProperty(document, 'hidden', { value: true }) && document.dispatchEvent(new Event('visibilitychange'))")
	tb.wait("what was under way", "new Promise((done) => setTimeout(() => done(true), 500))")
	n := len(tb.requests(0))
	tb.wait("three seconds", "new Promise((done) => setTimeout(() => done(true), 3000))")
	if more := tb.requests(n); len(more) > 0 {
		t.Errorf("a page that nobody sees asks for %q", more)
	}
}

func cutIsSaid(t *testing.T, h *house) {
	wall := open(t, h.node, "", look{})
	large := open(t, h.node, "#/camera/dock-1", look{})
	wall.wait("pictures", "document.querySelectorAll('.tile.seen').length >= 3")
	large.wait("a live picture", stage+".dataset.mode === 'live'")
	h.ghost.silence()
	h.node.Stop()
	for _, tb := range []*tab{wall, large} {
		tb.wait("it to be said", "!document.querySelector('#cut').hidden && document.querySelector('#cut').textContent.includes('No connection since') && document.querySelector('#link').textContent === 'not connected'")
	}
	wall.wait("every picture to be grey", "document.querySelectorAll('.tile').length === document.querySelectorAll('.tile.stale').length")
	large.wait("the large one too", stage+".dataset.mode === 'stalled'")
	wall.shot("cut")
	h.node.Start()
	for _, tb := range []*tab{wall, large} {
		tb.wait("the connection to come back", "document.querySelector('#cut').hidden && document.body.dataset.link === 'on'")
	}
	large.wait("a live picture", stage+".dataset.mode === 'live'")
	wall.wait("new pictures", tile("dock-1")+".classList.contains('stale') === false")
}
