package page_test

import (
	"fmt"
	"testing"

	"github.com/edge-video/edge-video/test/harness"
)

// TestModules holds what needs no page to what it promises.
func TestModules(t *testing.T) {
	t.Parallel()
	node := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: "  []"})
	tb := open(t, node, "", look{})
	for _, test := range []struct{ name, module, expression string }{
		{"EventsAreCutWhereverTheStreamIs", "parse", `(() => {
			const bytes = new TextEncoder().encode(": beat\r\n\nevent: camera\ndata: {\"a\":1}\n\nid: 7\ndata: ü\ndata: two\r\n\r\n");
			for (let size = 1; size < bytes.length; size++) {
				const events = new m.Events(), all = [];
				for (let i = 0; i < bytes.length; i += size) all.push(...events.feed(bytes.slice(i, i + size)));
				if (JSON.stringify(all) !== JSON.stringify([{comment: "beat"}, {type: "camera", data: "{\"a\":1}"}, {type: "message", id: "7", data: "ü\ntwo"}])) return size + JSON.stringify(all);
			}
			return "";
		})()`},
		{"PicturesAreCutByTheirLengthAlone", "parse", `(() => {
			const text = (s) => new TextEncoder().encode(s);
			const bodies = [text("\r\n\r\n--x\r\n"), new Uint8Array(0), new Uint8Array(70000).fill(13)];
			const all = bodies.map((b) => [text("\r\n--x\r\nContent-Type: image/jpeg\r\nContent-Length: " + b.length + "\r\nFrame-Captured: now\r\n\r\n"), b]).flat();
			const bytes = new Uint8Array(all.reduce((n, b) => n + b.length, 0));
			all.reduce((at, b) => (bytes.set(b, at), at + b.length), 0);
			for (const size of [1, 3, 100, 4096, bytes.length]) {
				const parts = new m.Parts(), got = [];
				for (let i = 0; i < bytes.length; i += size) got.push(...parts.feed(bytes.slice(i, i + size)));
				if (got.length !== 3 || got.some((p, i) => p.body.join() !== bodies[i].join() || p.headers.get("frame-captured") !== "now")) return "cut by " + size;
			}
			for (const bad of ["--x\r\nContent-Type: image/jpeg\r\n\r\n", "--x\r\nContent-Length: -1\r\n\r\n", "--x\r\nContent-Length: 99999999999\r\n\r\n", "a".repeat(1 << 20)]) {
				try { new m.Parts().feed(text(bad)); return "took " + bad.slice(0, 60); } catch {}
			}
			return "";
		})()`},
		{"GapsAreWhatTheStepDoesNotExplain", "span", `(() => {
			const times = [0, 1000, 2000, 9000, 10000, 11000];
			const all = m.segments(times, 1000, 100);
			return JSON.stringify(all) === "[[0,2000],[9000,11000]]" && JSON.stringify(m.gaps(all)) === "[[2000,9000]]" && m.segments([0, 5000, 10000], 500, 5000).length === 1 ? "" : JSON.stringify(all);
		})()`},
		{"ViewsStayWithinWhatIsHeld", "span", `(() => {
			const whole = [1000, 100000];
			const cases = [m.fit([-5000, 20000], whole), m.fit([90000, 200000], whole), m.zoomed([1000, 100000], whole, 0.0001, 50000), m.zoomed([40000, 60000], whole, 1000, 50000), m.panned([40000, 60000], whole, 1e9)];
			return cases.every(([a, b]) => a >= 1000 && b <= 100000 && b - a >= 5000) && m.ticks([0, 3600000], 900).all.length > 3 && m.ticks([0, 3600000], 900).all.length < 12 ? "" : JSON.stringify(cases);
		})()`},
		{"DurationsHaveAtMostTwoUnits", "format", `(() => {
			const got = [0.04, 0.44, 12.4, 60, 200, 3600, 7800, 93600, NaN].map(m.duration).join("|");
			return got === "0 s|0.4 s|12 s|1 min|3 min 20 s|1 h|2 h 10 min|1 d 2 h|an unknown time" ? "" : got;
		})()`},
		{"ThumbnailsRestByWhatTheyCost", "thumbs", `(() => {
			const dear = m.rest(300, 0.06), cheap = m.rest(2, 0.06);
			const said = m.cost(new Headers({"Server-Timing": "read;dur=1, still;dur=12.5"}));
			return dear > 5000 && cheap < 200 && said === 12.5 && m.cost(new Headers()) === undefined && m.width(300) === 320 && m.width(5000) === 960 ? "" : [dear, cheap, said].join();
		})()`},
		{"MomentsKeepTheirMicroseconds", "moments", `(() => {
			const said = "2026-11-27T16:51:26.123456Z";
			return m.stamp(m.exact(said)) === said && m.stamp(m.exact(said) - 0.001) === "2026-11-27T16:51:26.123455Z" && m.stamp(0) === "1970-01-01T00:00:00.000000Z" ? "" : m.stamp(m.exact(said));
		})()`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if wrong := get[string](tb, fmt.Sprintf("import('./%s.js').then((m) => %s)", test.module, test.expression)); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}
