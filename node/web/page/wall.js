// The wall: every camera as a small picture with its state.

import { now } from "./api.js";
import { attr, el, Spark, text } from "./dom.js";
import { cameraState, duration, fps, milliseconds, time } from "./format.js";
import { Thumbs } from "./thumbs.js";

const TONES = [["ok", "up"], ["warn", "need a look"], ["bad", "retrying"], ["idle", "not delivering"]];
const OLD = 5; // seconds from which on a small picture says how old it is
const SIZES = ["s", "m", "l"];

// Tile is one camera on the wall.
class Tile {
  at = -Infinity;
  visible = false;
  busy = false;
  captured = 0;

  constructor(store, key) {
    this.store = store;
    this.key = key;
    this.ref = store.ref(this.camera);
    this.canvas = el("canvas", { width: 320, height: 180, "aria-hidden": "true" });
    this.age = el("span.age");
    this.note = el("span.note");
    this.state = el("span.state");
    this.fps = el("span");
    this.late = el("span.late", { title: "from capture into the stream" });
    this.sparks = { fps: new Spark("frames a second", 64, 16), latency: new Spark("latency", 64, 16) };
    this.node = el("a.tile", { href: "#/camera/" + encodeURIComponent(this.ref), tabindex: -1 },
      el("span.shot", {}, this.canvas, this.note, this.age),
      el("span.row", {}, el("span.name", {}, this.camera.id), this.state),
      el("span.row.figures", { "aria-hidden": "true" }, el("span.figure", {}, this.fps, this.sparks.fps.node),
        el("span.figure", {}, this.sparks.latency.node, this.late)));
    this.update();
  }

  get camera() {
    return this.store.cameras.get(this.key);
  }

  // wanted says whether a new picture may be had: one of a camera that delivers nothing is the last for now.
  wanted() {
    return this.store.link.state === "on" && (this.camera?.state === "up" || !this.captured);
  }

  show(bitmap, headers) {
    if (this.canvas.width !== bitmap.width || this.canvas.height !== bitmap.height) {
      [this.canvas.width, this.canvas.height] = [bitmap.width, bitmap.height];
    }
    this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
    const stored = time(headers.get("Stream-Time"));
    if (stored) this.store.latency(this.key, Math.max(0, stored - this.captured));
    this.node.classList.add("seen");
    this.tick();
  }

  missing(error) {
    if (!this.captured) text(this.note, error.status === 404 ? "no picture held" : "no picture to be had");
  }

  update() {
    const c = this.camera;
    const { word, tone } = cameraState(c);
    text(this.state, word);
    this.state.dataset.tone = this.node.dataset.tone = tone;
    text(this.fps, `${fps(c.fps ?? 0)} fps`);
    const since = time(c.since);
    this.node.title = c.error ? c.error : since ? `${word} since ${new Date(since).toLocaleString("en-GB")}` : "";
    attr(this.node, "aria-label", `${this.ref}: ${word}, ${fps(c.fps ?? 0)} frames a second${c.error ? `, ${c.error}` : ""}`);
    this.tick();
  }

  // tick tells the picture's age. A picture is grey while the camera delivers nothing, or the node is out of reach.
  tick() {
    if (!this.camera) return;
    const age = (now() - this.captured) / 1000;
    const live = this.camera.state === "up" && this.store.link.state === "on";
    this.node.classList.toggle("stale", !live);
    text(this.note, this.captured ? (live ? "" : `last picture ${duration(age)} ago`) : this.note.textContent);
    text(this.age, this.captured && live && age >= OLD ? `${duration(age)} ago` : "");
  }

  sample() {
    const { history } = this.camera ?? {};
    if (!history || !this.visible) return;
    const ms = this.store.lastLatency(this.key);
    text(this.late, ms === undefined ? "" : milliseconds(ms));
    this.sparks.fps.draw(history.fps);
    this.sparks.latency.draw(history.latency, " ms");
  }
}

export class Wall {
  title = "Cameras";
  #tiles = new Map();
  #tone = null;
  #timer = 0;

  constructor(store, prefs) {
    this.store = store;
    this.prefs = prefs;
  }

  mount(root) {
    this.thumbs = new Thumbs();
    this.search = el("input", { type: "search", placeholder: "Find a camera", "aria-label": "Find a camera, key /", "aria-keyshortcuts": "/",
      oninput: () => this.#filter() });
    this.chips = el("div.chips", { role: "group", "aria-label": "Only cameras in this state" });
    this.size = el("div.sizes", { role: "group", "aria-label": "Size of the pictures" }, ...SIZES.map((s) =>
      el("button", { type: "button", "aria-label": { s: "small", m: "medium", l: "large" }[s], onclick: () => this.#resize(s) }, s.toUpperCase())));
    this.list = el("div.wall");
    this.none = el("p.empty", { hidden: true });
    root.append(el("h1.only-heard", {}, "Cameras"), el("div.bar", {}, this.search, this.chips, this.size), this.none, this.list);
    this.seen = new IntersectionObserver((entries) => {
      for (const e of entries) this.#sees(e.target.tile, e.isIntersecting);
    }, { rootMargin: "80px" });
    this.#resize(this.prefs.get("size") ?? "m");
    this.#build();
    this.#timer = setInterval(() => this.#tiles.forEach((t) => t.visible && t.tick()), 1000);
  }

  unmount() {
    this.thumbs.stop();
    this.seen.disconnect();
    clearInterval(this.#timer);
    this.#tiles.clear();
  }

  on(type, detail) {
    if (type === "ready") this.#build();
    if (type === "camera") {
      this.#tiles.get(detail.key)?.update();
      this.#count();
    }
    if (type === "sample") this.#tiles.forEach((t) => t.sample());
    if (type === "link") this.#tiles.forEach((t) => t.tick());
  }

  #sees(tile, visible) {
    tile.visible = visible;
    if (visible) {
      tile.sample();
      tile.tick();
    }
  }

  #resize(size) {
    this.prefs.set("size", size);
    this.list.dataset.size = size;
    [...this.size.children].forEach((b, i) => attr(b, "aria-pressed", SIZES[i] === size));
  }

  // build makes tiles for the cameras there are, and keeps those that are there.
  #build() {
    const groups = new Map();
    const sorted = [...this.store.cameras].sort(([, a], [, b]) => compare(a.site, b.site) || compare(a.id, b.id));
    for (const [key, c] of sorted) {
      if (!this.#tiles.has(key)) this.#add(key);
      groups.set(c.site, [...(groups.get(c.site) ?? []), this.#tiles.get(key)]);
    }
    for (const [key, t] of this.#tiles) if (!this.store.cameras.has(key)) this.#remove(key, t);
    this.#tiles.forEach((t) => t.update());
    const named = groups.size > 1;
    this.list.replaceChildren(...[...groups].map(([site, tiles]) => el("section", { "aria-label": named ? `Site ${site}` : "Cameras" },
      named ? el("h2", {}, site) : null, el("div.grid", {}, ...tiles.map((t) => t.node)))));
    this.#filter();
  }

  #add(key) {
    const tile = new Tile(this.store, key);
    tile.node.tile = tile;
    this.#tiles.set(key, tile);
    this.thumbs.add(tile);
    this.seen.observe(tile.node);
  }

  #remove(key, tile) {
    this.seen.unobserve(tile.node);
    tile.visible = false;
    this.#tiles.delete(key);
  }

  #filter() {
    const words = this.search.value.toLowerCase();
    let shown = 0;
    for (const t of this.#tiles.values()) {
      const hide = !t.ref.toLowerCase().includes(words) || (this.#tone !== null && t.node.dataset.tone !== this.#tone);
      t.node.hidden = hide;
      shown += !hide;
    }
    for (const s of this.list.children) s.hidden = !s.querySelector(".tile:not([hidden])");
    const current = this.list.querySelector(".tile[tabindex='0']:not([hidden])") ?? this.list.querySelector(".tile:not([hidden])");
    if (current) this.#current(current);
    const none = this.#tiles.size === 0;
    this.none.hidden = shown > 0 || (none && this.store.link.state !== "on");
    text(this.none, none ? "This node reads no cameras. They stand under “cameras” in its configuration." : "No camera is called that, or is in that state.");
    this.#count();
  }

  #count() {
    const counts = { ok: 0, warn: 0, bad: 0, idle: 0 };
    for (const t of this.#tiles.values()) counts[t.node.dataset.tone]++;
    const chips = TONES.filter(([tone]) => counts[tone] > 0 || this.#tone === tone);
    if (this.chips.children.length !== chips.length || chips.some(([tone], i) => this.chips.children[i].dataset.tone !== tone)) {
      this.chips.replaceChildren(...chips.map(([tone]) => el("button.chip", { type: "button", "data-tone": tone, onclick: () => {
        this.#tone = this.#tone === tone ? null : tone;
        this.#filter();
      } })));
    }
    chips.forEach(([tone, word], i) => {
      text(this.chips.children[i], `${counts[tone]} ${word}`);
      attr(this.chips.children[i], "aria-pressed", this.#tone === tone);
    });
  }

  #current(node) {
    for (const t of this.#tiles.values()) attr(t.node, "tabindex", t.node === node ? 0 : -1);
  }

  // key moves among the tiles by arrows.
  key(e) {
    if (e.key === "/") {
      this.search.focus();
      return true;
    }
    if (e.key === "Escape" && document.activeElement === this.search) {
      this.search.value = "";
      this.#filter();
      this.search.blur();
      return true;
    }
    if (e.target instanceof HTMLInputElement) return false;
    const tiles = [...this.list.querySelectorAll(".tile:not([hidden])")];
    const from = tiles.indexOf(document.activeElement?.closest?.(".tile"));
    const to = from < 0 && e.key.startsWith("Arrow") ? tiles.findIndex((t) => t.tabIndex === 0) : neighbour(tiles, from, e.key);
    if (to === undefined || !tiles[to]) return false;
    this.#current(tiles[to]);
    tiles[to].focus();
    tiles[to].scrollIntoView({ block: "nearest" });
    return true;
  }
}

const compare = (a = "", b = "") => a.localeCompare(b, "en", { numeric: true });

// neighbour is the index of the tile that a key leads to, undefined where it leads to none.
function neighbour(tiles, from, key) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
  if (step) return from + step;
  if (key === "Home") return 0;
  if (key === "End") return tiles.length - 1;
  const down = { ArrowUp: -1, ArrowDown: 1 }[key];
  if (!down || from < 0) return undefined;
  const at = tiles[from].getBoundingClientRect();
  let best, distance = Infinity;
  tiles.forEach((t, i) => {
    const r = t.getBoundingClientRect();
    const dy = (r.top - at.top) * down;
    if (dy < 4) return;
    const d = 4 * dy + Math.abs(r.left - at.left);
    if (d < distance) [best, distance] = [i, d];
  });
  return best;
}
