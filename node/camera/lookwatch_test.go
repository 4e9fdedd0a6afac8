package camera

import (
	"math/rand/v2"
	"testing"
	"time"
)

// shot is a picture as a watch meets it: bytes, how many, and what looking at it would show.
type shot struct {
	key   uint64
	size  int
	shows *grid
}

// scene is what a camera sends as picture n, after a while of so long.
type scene func(n int, at time.Duration) shot

// watched is what came of a scene.
type watched struct {
	verdict Look
	after   time.Duration // when the verdict was first given
	looks   int
	changes int
}

// observe lets a watch see a scene at a pace; every look is taken.
func observe(w *watch, s scene, fps float64, far, period, length time.Duration) (got watched) {
	began := time.Unix(1000, 0)
	if !w.last.IsZero() {
		began = w.last.Add(time.Duration(float64(time.Second) / fps))
	}
	got.verdict = w.verdict()
	for n := 0; ; n++ {
		at := time.Duration(float64(n) / fps * float64(time.Second))
		if at > length {
			return got
		}
		p := s(n, at)
		seen := sight{at: began.Add(at), key: p.key, size: p.size, small: smallJPEG, far: far, period: period}
		if w.see(&seen) {
			w.began(&seen)
			w.looked(&seen, p.shows)
			got.looks++
		}
		if v := w.verdict(); v != got.verdict {
			got.verdict, got.after = v, at
			got.changes++
		}
	}
}

// shows is a picture of some contrast whose one cell tells pictures apart.
func shows(detail byte) *grid {
	g := &grid{}
	for i := range g {
		g[i] = cell{byte(i), 128, 128}
	}
	g[300][0] = detail
	return g
}

func colourful(y, cb, cr byte) *grid {
	g := &grid{}
	for i := range g {
		g[i] = cell{y, cb, cr}
	}
	return g
}

func live(n int, _ time.Duration) shot {
	return shot{key: rand.Uint64(), size: 50_000 + rand.IntN(5000), shows: shows(0)} // a still scene, but for noise
}

// wobbling is a frozen picture as x264 encoded it at a constant rate: what was the same is numbered so. The first two seconds differ.
func wobbling(n int, _ time.Duration) shot {
	again := map[int]uint64{0: 20, 20: 20, 40: 1000, 60: 20}
	key, ok := again[n%80]
	if !ok || n == 0 {
		key = uint64(2000 + n)
	}
	return shot{key: key, size: 50_000, shows: shows(byte(n % 3))}
}

func TestWatch_FrozenIsNoticedInTenSeconds(t *testing.T) {
	same := func(int, time.Duration) shot { return shot{key: 1, size: 50_000, shows: shows(0)} }
	turns := func(n int, _ time.Duration) shot {
		return shot{key: uint64(n % 2), size: 50_000, shows: shows(byte(n % 2))}
	}
	for name, c := range map[string]struct {
		scene scene
		fps   float64
		far   time.Duration
		most  time.Duration
	}{
		"30 fps":                             {same, 30, jpegFar, 7 * time.Second},
		"10 fps":                             {same, 10, jpegFar, 7 * time.Second},
		"1 fps":                              {same, 1, jpegFar, 7 * time.Second},
		"1 fps, in turns":                    {turns, 1, jpegFar, 8 * time.Second},
		"0.2 fps":                            {same, .2, jpegFar, 10 * time.Second},
		"0.05 fps, as three pictures say":    {same, .05, jpegFar, 40 * time.Second},
		"10 fps, encoded at a constant rate": {wobbling, 10, jpegFar, 10 * time.Second},
		"keyframes":                          {same, .5, jpegFar, 8 * time.Second},
		"keyframes of video":                 {same, .5, near, 8 * time.Second},
		"keyframes of video, in turns":       {turns, .5, near, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			got := observe(&watch{}, c.scene, c.fps, c.far, jpegPeriod, time.Minute)
			if got.verdict != LookFrozen || got.after > c.most || got.changes != 1 || got.looks > 10 {
				t.Errorf("got %+v, want frozen once after at most %v, in ten looks", got, c.most)
			}
		})
	}
}

func TestWatch_LivePicturesAreNeverFrozen(t *testing.T) {
	for name, c := range map[string]struct {
		scene scene
		fps   float64
		looks int // in ten minutes
	}{
		"a still scene with noise": {live, 10, 21},
		"a scene without noise, new with each keyframe": {func(n int, _ time.Duration) shot {
			return shot{key: uint64(n / 40), size: 50_000, shows: shows(0)}
		}, 10, 410},
		"a clip of a second, again and again": {func(n int, _ time.Duration) shot {
			return shot{key: uint64(n % 11), size: 50_000, shows: shows(byte(n % 11 * 20))}
		}, 10, 45},
		"a clip of eight seconds": {func(n int, at time.Duration) shot {
			return shot{key: uint64(n % 80), size: 50_000, shows: shows(byte(n % 80 * 3))}
		}, 10, 45},
		"a running clock without noise": {func(n int, at time.Duration) shot {
			return shot{key: uint64(at.Seconds()), size: 50_000, shows: shows(byte(at.Seconds()) * 16)}
		}, 10, 21},
	} {
		t.Run(name, func(t *testing.T) {
			got := observe(&watch{}, c.scene, c.fps, jpegFar, jpegPeriod, 10*time.Minute)
			if got.changes != 0 || got.looks > c.looks {
				t.Errorf("got %+v, want no verdict and at most %d looks", got, c.looks)
			}
		})
	}
}

func TestWatch_VideoWithoutSuspicionIsNeverDecoded(t *testing.T) {
	if got := observe(&watch{}, live, .5, near, 0, time.Hour); got.looks != 0 {
		t.Errorf("%d looks, want none", got.looks)
	}
}

func TestWatch_RecoveryIsNoticedInTenSeconds(t *testing.T) {
	flat := func(colour *grid) scene {
		return func(int, time.Duration) shot { return shot{key: 7, size: 5000, shows: colour} }
	}
	for name, c := range map[string]struct {
		bad, good scene
		look      Look
	}{
		"frozen, then moving": {wobbling, func(n int, _ time.Duration) shot {
			return shot{key: rand.Uint64(), size: 50_000, shows: shows(byte(200 + n%5))}
		}, LookFrozen},
		"frozen, then the same scene live": {wobbling, live, LookFrozen},
		"black, then a scene":              {flat(colourful(0, 128, 128)), live, LookBlack},
		"grey, then frozen":                {flat(colourful(128, 128, 128)), wobbling, LookGrey},
	} {
		t.Run(name, func(t *testing.T) {
			w := &watch{}
			if got := observe(w, c.bad, 10, jpegFar, jpegPeriod, 20*time.Second); got.verdict != c.look {
				t.Fatalf("got %+v, want %s", got, c.look)
			}
			got := observe(w, c.good, 10, jpegFar, jpegPeriod, 9500*time.Millisecond)
			if got.changes == 0 || got.verdict == c.look {
				t.Errorf("got %+v, want a change", got)
			}
		})
	}
}

func TestWatch_ColourIsNoticedWhenTheSizeFalls(t *testing.T) {
	black := func(n int, _ time.Duration) shot { // with noise: no two pictures are the same
		return shot{key: rand.Uint64(), size: 20_000 + rand.IntN(1000), shows: colourful(byte(n%3), 128, 128)}
	}
	for _, period := range []time.Duration{jpegPeriod, 0} {
		w := &watch{}
		observe(w, live, 10, jpegFar, period, time.Minute)
		got := observe(w, black, 10, jpegFar, period, time.Minute)
		if got.verdict != LookBlack || got.after > 6*time.Second || got.looks > 10 {
			t.Errorf("with a period of %v: %+v, want black in 6 s and a few looks", period, got)
		}
	}
}

func TestWatch_MomentOfBlackIsNoVerdict(t *testing.T) {
	w := &watch{}
	got := observe(w, func(n int, at time.Duration) shot {
		if at < 2500*time.Millisecond {
			return shot{key: rand.Uint64(), size: 5000, shows: colourful(0, 128, 128)}
		}
		return live(n, at)
	}, 10, jpegFar, jpegPeriod, time.Minute)
	if got.changes != 0 {
		t.Errorf("got %+v, want no verdict", got)
	}
}

func TestWatch_RemembersNoMoreThanItMay(t *testing.T) {
	w := &watch{}
	observe(w, live, 500, jpegFar, jpegPeriod, 20*time.Second)
	if n := len(w.recent); n > mostRecent || cap(w.recent) > 2*mostRecent {
		t.Errorf("%d pictures remembered, want %d at most", n, mostRecent)
	}
}
