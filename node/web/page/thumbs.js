// Thumbs fetches the pictures of the wall: of visible tiles alone, two at a time, the one that has waited longest first, and no faster than
// a small share of one of the node's cores allows. The node says what each picture cost it.

import { fetched, now } from "./api.js";
import { time } from "./format.js";

const PARALLEL = 2;
const SHARE = 0.06; // of a core
const SHARE_FIRST = 0.3; // while tiles have no picture at all
const REQUEST_COST = 1.5; // ms, beside reading and rendering
const LEAST_AGE = 900; // ms between two pictures of a tile
const IDLE = 200;
const WIDTHS = [240, 320, 480, 640, 960];

// rest is how long one of the fetchers pauses after a picture that cost the node so many milliseconds.
export const rest = (cost, share) => Math.min(20_000, (PARALLEL * (cost + REQUEST_COST)) / share);

// width is what to ask for, so that few different widths are rendered.
export const width = (pixels) => WIDTHS.find((w) => w >= pixels) ?? WIDTHS.at(-1);

export class Thumbs {
  #tiles = new Set();
  #abort = new AbortController();

  // tiles have: ref, visible, canvas, at (when last asked), busy, etag, captured, wanted(), show(bitmap, headers), missing(error).
  constructor() {
    for (let i = 0; i < PARALLEL; i++) this.#work(this.#abort.signal);
  }

  add(tile) {
    this.#tiles.add(tile);
  }

  clear() {
    this.#tiles.clear();
  }

  stop() {
    this.#abort.abort();
  }

  // next is the visible tile that has waited longest.
  next(at = performance.now()) {
    let best = null;
    for (const t of this.#tiles) {
      if (!t.visible || t.busy || at - t.at < Math.max(LEAST_AGE, t.pause ?? 0) || !t.wanted()) continue;
      if (!best || t.at < best.at) best = t;
    }
    return best;
  }

  async #work(signal) {
    while (!signal.aborted) {
      const tile = document.hidden ? null : this.next();
      await pause(tile ? await this.#fetch(tile, signal) : IDLE, signal);
    }
  }

  // fetch gets one picture, and returns how long to rest.
  async #fetch(tile, signal) {
    tile.busy = true;
    tile.at = performance.now();
    try {
      const pixels = tile.canvas.clientWidth * Math.min(2, devicePixelRatio);
      const answer = await fetched(`cameras/${encodeURIComponent(tile.ref)}/snapshot.jpg`,
        { query: { width: width(pixels) }, headers: tile.etag ? { "If-None-Match": tile.etag } : {}, signal });
      const took = performance.now() - tile.at;
      const first = !tile.captured;
      if (answer.status !== 304) {
        const bitmap = await createImageBitmap(await answer.blob());
        tile.etag = answer.headers.get("ETag");
        tile.captured = time(answer.headers.get("Frame-Captured")) || now();
        tile.show(bitmap, answer.headers);
        bitmap.close();
      }
      tile.pause = 0;
      return rest(Math.min(took, cost(answer.headers) ?? took), first ? SHARE_FIRST : SHARE);
    } catch (e) {
      if (signal.aborted) return 0;
      // A camera without a picture is not asked again and again; a node that is busy says for how long.
      tile.pause = Math.min(30_000, Math.max(1000 * (e.after || 0), 2 * (tile.pause || 1500)));
      tile.missing(e);
      return e.status === 429 || e.status === 503 ? 2000 : IDLE;
    } finally {
      tile.busy = false;
    }
  }
}

// cost is what the answer says that it cost the node, in milliseconds.
export function cost(headers) {
  const said = /(?:^|,)\s*still;(?:[^,]*;)?\s*dur=([\d.]+)/.exec(headers.get("Server-Timing") ?? "");
  return said ? Number(said[1]) : undefined;
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done);
  });
}
