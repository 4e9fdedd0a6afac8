// One camera: its picture, the timeline of what is held of it, how it is, a span to export, what happened to it.

import { act, get, now, url } from "./api.js";
import { attr, el, icon, Spark, text } from "./dom.js";
import { cameraState, clock, duration, eventTone, eventWords, fps, milliseconds, time } from "./format.js";
import { exact, stamp } from "./moments.js";
import { segments } from "./span.js";
import { Stage } from "./stage.js";
import { Store } from "./store.js";
import { Timeline } from "./timeline.js";

const STEPS = 300; // pictures of an index, over the width of a timeline: each is looked up
const FINEST = 500; // ms between them
const TAIL_EVERY = 5_000;
const HELD_EVERY = 30_000;
const MOST_MARKS = 500;

export class CameraView {
  #times = []; // of pictures over the whole, #every apart
  #every = 1000;
  #abort = new AbortController();
  #timers = [];

  constructor(store, prefs, say) {
    this.store = store;
    this.prefs = prefs;
    this.say = say;
  }

  get title() {
    return this.ref;
  }

  get camera() {
    return this.store.camera(this.ref);
  }

  mount(root, ref, at) {
    this.ref = ref;
    this.stage = new Stage(ref, {
      rate: () => this.camera?.fps || 1,
      video: () => this.camera?.decoder === "none",
      mode: (mode) => this.#mode(mode),
      shown: (captured, stored) => this.camera && stored && this.store.latency(Store.key(this.camera), Math.max(0, stored - captured)),
      caughtUp: () => this.seek(null),
    });
    this.timeline = new Timeline(now, { seek: (t) => this.seek(t), picked: (s) => this.#picked(s), viewed: () => this.#viewed() });
    root.append(el("div.camera", {}, el("div.main", {}, this.#head(), this.stage.node, this.#transport(), this.timeline.node, this.#hint()),
      el("aside", {}, this.#facts(), this.#clip(), this.#events())));
    this.#picked(null);
    this.update();
    if (this.camera) this.#load();
    this.#timers = [setInterval(() => this.#tail(), TAIL_EVERY), setInterval(() => this.#held(), HELD_EVERY), setInterval(() => this.#tick(), 500)];
    this.seek(at && Number.isFinite(at) ? at : null);
  }

  unmount() {
    this.#abort.abort();
    this.#timers.forEach(clearInterval);
    clearTimeout(this.viewing);
    this.stage.stop();
    this.timeline.stop();
  }

  on(type, detail) {
    if (type === "ready" || type === "status") this.update();
    if (type === "ready" && this.camera) this.#load();
    if (type === "camera" && this.camera && detail.key === Store.key(this.camera)) this.update();
    if (type === "event" && this.#mine(detail)) this.#mark(detail);
    if (type === "sample") this.#sample();
    if (type === "theme") this.timeline.recolour();
  }

  // seek shows a moment in milliseconds, null for live.
  seek(t) {
    if (t === null) this.stage.live();
    else this.stage.at(t);
    this.timeline.show(t);
    this.#tick();
  }

  #mine = (e) => e.class === "camera" && this.camera && e.name === this.camera.id && e.site === this.camera.site;

  #head() {
    const near = (by, name, key) => el("a.step", { "aria-label": `${name} camera, key ${key}`, "data-by": by }, icon(by < 0 ? "left" : "right"));
    this.neighbours = [near(-1, "Previous", "P"), near(1, "Next", "N")];
    this.state = el("span.state");
    return el("div.head", {}, el("a.back", { href: "#/", "aria-label": "All cameras, key Escape" }, icon("left"), el("span", {}, "Cameras")),
      el("h1", {}, this.ref), this.state, el("span.steps", {}, ...this.neighbours));
  }

  #transport() {
    const button = (name, what, key, f) => el("button.tool", { type: "button", "aria-label": `${what}, key ${key}`, title: `${what} (${key})`, onclick: f }, icon(name));
    this.play = button("play", "Play from here", "Space", () => this.#play());
    this.toLive = el("button.live", { type: "button", title: "Live (L)", "aria-keyshortcuts": "l", onclick: () => this.seek(null) }, el("span.dot"), "Live");
    this.when = el("span.when");
    return el("div.transport", { role: "group", "aria-label": "Time" },
      button("back", "Picture before", ",", () => this.#step(-1)), this.play, button("forth", "Picture after", ".", () => this.#step(1)), this.toLive, this.when,
      el("span.zoom", {}, button("minus", "Show more time", "-", () => this.timeline.zoom(2)), button("plus", "Show less time", "+", () => this.timeline.zoom(0.5)),
        el("button.tool.words", { type: "button", title: "All that is held (0)", onclick: () => this.timeline.all() }, "All")));
  }

  #hint() {
    this.heldWords = el("span");
    return el("p.hint", {}, this.heldWords, " Drag to any moment; scroll or pinch to look closer; drag with Shift to mark a span.");
  }

  #facts() {
    this.values = Object.fromEntries(["since", "fps", "latency", "size", "mode", "decoder", "node", "last"].map((k) => [k, el("dd")]));
    this.sparks = { fps: new Spark("frames a second", 120, 28), latency: new Spark("latency", 120, 28) };
    this.values.fps.append(this.sparks.fps.node, el("span"));
    this.values.latency.append(this.sparks.latency.node, el("span"));
    this.error = el("p.error", { hidden: true });
    this.acts = el("div.acts", { role: "group", "aria-label": "Steer the camera" });
    const row = (k, name) => el("div", { "data-fact": k }, el("dt", {}, name), this.values[k]);
    return el("section.card", {}, el("h2", {}, "How it is"), this.error, el("dl.facts", {}, row("since", "in this state"), row("fps", "frames a second"),
      row("latency", "into the stream"), row("size", "picture"), row("mode", "mode"), row("decoder", "decoder"), row("node", "read by"), row("last", "last frame")), this.acts);
  }

  #clip() {
    const input = (name) => el("input", { type: "datetime-local", step: 1, "aria-label": name, onchange: () => this.#typed() });
    this.from = input("Start of the span");
    this.to = input("End of the span");
    const row = (edge, words, key) => el("div.pair", {}, el("span", { "aria-hidden": "true" }, edge ? "to" : "from"), edge ? this.to : this.from,
      el("button", { type: "button", "aria-label": `${words} at the moment shown, key ${key}`, title: `${words} here (${key})`, onclick: () => this.#edge(edge) }, "here"));
    this.format = el("select", { "aria-label": "Format", onchange: () => this.#picked(this.timeline.span) }, el("option", {}, "mp4"), el("option", {}, "mkv"));
    this.save = el("a.button", { download: "", role: "link" }, icon("save"), "Save clip");
    this.length = el("p.dim", {}, "");
    this.picture = el("a.button.quiet", { download: "" }, icon("save"), "Save this picture");
    return el("section.card.clip", {}, el("h2", {}, "Take along"), row(0, "Start", "["), row(1, "End", "]"), this.length,
      el("div.pair", {}, this.format, this.save), this.picture);
  }

  #events() {
    this.list = el("ul.feed");
    this.quiet = el("p.dim", {}, "Nothing has happened to it in the time held.");
    return el("section.card", {}, el("h2", {}, "What happened"), this.quiet, this.list);
  }

  update() {
    const c = this.camera;
    if (!c) {
      text(this.state, this.store.link.state === "on" ? "not a camera of this node" : "");
      return;
    }
    const { word, tone } = cameraState(c);
    text(this.state, word);
    this.state.dataset.tone = tone;
    text(this.values.fps.lastChild, fps(c.fps ?? 0));
    text(this.values.mode, c.mode ?? "");
    text(this.values.decoder, c.decoder === "none" ? "none, stored as it comes" : c.decoder ?? "");
    text(this.values.node, c.node ?? "");
    text(this.values.last, c.epoch ? `${c.epoch}.${c.last_seq}` : "");
    for (const k of ["mode", "decoder", "node", "last"]) this.values[k].parentNode.hidden = !this.values[k].textContent;
    this.error.hidden = !c.error;
    text(this.error, c.error ?? "");
    this.#steer(c);
    this.#near();
    this.#sample();
  }

  // steer shows operators what they may do.
  #steer(c) {
    const acts = !this.store.operator ? [] : c.paused ? ["resume"] : c.state === "up" ? ["pause", "kick"] : ["kick", "pause"];
    if (this.acts.dataset.acts === acts.join()) return;
    this.acts.dataset.acts = acts.join();
    const words = { kick: "Try now", pause: "Pause", resume: "Resume" };
    this.acts.replaceChildren(...acts.map((a) => el("button", { type: "button", "data-act": a, onclick: () => this.#act(a) }, words[a])));
  }

  async #act(name) {
    try {
      await act(`cameras/${encodeURIComponent(this.ref)}/${name}`);
      this.say(`${this.ref}: ${{ kick: "tried now", pause: "paused", resume: "resumed" }[name]}`);
    } catch (e) {
      this.say(e.message, "bad");
    }
  }

  #near() {
    const refs = [...this.store.cameras.values()].map(this.store.ref).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const at = refs.indexOf(this.ref);
    for (const a of this.neighbours) {
      const other = refs[(at + Number(a.dataset.by) + refs.length) % refs.length];
      attr(a, "href", "#/camera/" + encodeURIComponent(other));
      a.hidden = refs.length < 2;
    }
  }

  #sample() {
    const history = this.camera?.history;
    if (!history) return;
    this.sparks.fps.draw(history.fps);
    this.sparks.latency.draw(history.latency, " ms");
  }

  #mode(mode) {
    if (mode === "stalled") this.say(`${this.ref}: the picture is not live`, "warn", true);
  }

  #tick() {
    const head = this.stage.head;
    if (this.stage.playing) this.timeline.show(head);
    const since = time(this.camera?.since);
    text(this.values.since, Number.isFinite(since) ? `${duration((now() - since) / 1000)}, since ${clock(since, now())}` : "");
    const ms = this.camera && this.store.lastLatency(Store.key(this.camera));
    text(this.values.latency.lastChild, ms === undefined ? "" : milliseconds(ms));
    const { width, height } = this.camera?.width ? this.camera : this.stage.canvas;
    text(this.values.size, Number.isFinite(this.stage.captured) ? `${width}×${height}` : "");
    text(this.when, head === null ? "" : `${clock(head, now(), 1)}`);
    this.toLive.dataset.on = this.stage.mode === "live" ? "yes" : "no";
    attr(this.toLive, "aria-pressed", head === null);
    attr(this.play, "aria-pressed", this.stage.playing);
    this.play.disabled = head === null;
    this.play.querySelector("use").setAttribute("href", this.stage.playing ? "#i-pause" : "#i-play");
    const at = this.stage.exactly();
    this.picture.hidden = !Number.isFinite(at);
    if (Number.isFinite(at)) {
      attr(this.picture, "href", url(`cameras/${encodeURIComponent(this.ref)}/snapshot.jpg`, { at: stamp(at) }));
      attr(this.picture, "download", `${this.ref} ${fileTime(at)}.jpg`);
    }
    if (this.timeline.whole[0] > 0) this.timeline.hold(this.timeline.whole[0], Math.max(this.timeline.whole[1], this.#last()));
  }

  // last is the newest moment there is a picture of.
  #last = () => (this.camera?.state === "up" ? now() : this.timeline.whole[1]);

  async #load() {
    await this.#held();
    await Promise.all([this.#index(), this.#past()]);
  }

  async #held() {
    try {
      const { held } = await get(`cameras/${encodeURIComponent(this.ref)}`, {}, this.#abort.signal);
      const [first, last] = [time(held?.first) + 1, time(held?.last)]; // its microseconds are left out
      if (!Number.isFinite(first)) return text(this.heldWords, "Nothing is held of this camera yet.");
      const fresh = this.timeline.whole[0] <= 0;
      this.timeline.hold(first, Math.max(last, this.camera?.state === "up" ? now() : 0));
      if (fresh) this.timeline.all();
      text(this.heldWords, `Held from ${clock(first, now())}, ${duration((last - first) / 1000)}.`);
    } catch {
      // The page says by itself that the node is gone.
    }
  }

  // times are those of pictures in a span, one in each step.
  async #pictures([from, to], every) {
    const times = [];
    for (let cursor, page = 0; page < 4; page++) {
      const got = await get(`cameras/${encodeURIComponent(this.ref)}/frames`,
        { from: stamp(from), to: stamp(to), every: every / 1000, limit: 1000, cursor }, this.#abort.signal);
      times.push(...got.frames.map((f) => time(f.captured)));
      cursor = got.next || undefined;
      if (!cursor) break;
    }
    return times.sort((a, b) => a - b);
  }

  #usual = () => 1000 / Math.max(0.05, this.camera?.fps || 1);

  async #index() {
    const { whole } = this.timeline;
    if (whole[0] <= 0) return;
    this.#every = Math.max(FINEST, (whole[1] - whole[0]) / STEPS);
    try {
      this.#times = await this.#pictures(whole, this.#every);
      this.#stretch();
    } catch {
      // The timeline stays without stretches; pictures are still to be had.
    }
  }

  #stretch() {
    this.timeline.coarse = segments(this.#times, this.#every, this.#usual());
    this.timeline.summarise();
    this.timeline.draw();
  }

  // tail adds what has come since.
  async #tail() {
    if (document.hidden || !this.camera) return;
    if (!this.#times.length) return this.#load();
    const last = this.#times.at(-1);
    if (now() - last < this.#every) return;
    try {
      this.#times.push(...(await this.#pictures([last + 1, now()], this.#every)));
      this.#times = this.#times.filter((t) => t >= this.timeline.whole[0]);
      this.#stretch();
      if (this.timeline.fine) this.#viewed();
    } catch {
      // The next one brings it.
    }
  }

  // viewed has the timeline's closer view filled, once it rests.
  #viewed() {
    clearTimeout(this.viewing);
    this.viewing = setTimeout(async () => {
      const range = [...this.timeline.view];
      const every = Math.max(FINEST, (range[1] - range[0]) / STEPS);
      if (every > 0.7 * this.#every) {
        this.timeline.fine = null;
        return;
      }
      try {
        this.timeline.fine = { range, stretches: segments(await this.#pictures(range, every), every, this.#usual()) };
        this.timeline.draw();
      } catch {
        // The coarse one stays.
      }
    }, 200);
  }

  // past fetches what happened to the camera.
  async #past() {
    const c = this.camera;
    if (!c) return;
    try {
      const events = await get("events", { class: "camera", site: c.site, name: c.id, from: stamp(this.timeline.whole[0] || 0), limit: MOST_MARKS }, this.#abort.signal);
      events.reverse().forEach((e) => this.#mark(e));
    } catch {
      // It stays without marks.
    }
  }

  #mark(e) {
    const at = time(e.time);
    const words = eventWords(e);
    const tone = eventTone(e);
    if (this.timeline.marks.some((m) => m.at === at && m.words === words)) return;
    this.timeline.marks.push({ at, tone, words });
    this.timeline.marks.splice(0, this.timeline.marks.length - MOST_MARKS);
    this.timeline.summarise();
    this.timeline.draw();
    this.quiet.hidden = true;
    this.list.prepend(el("li", { "data-tone": tone }, el("button.moment", { type: "button", title: "See the picture of then", onclick: () => this.seek(this.timeline.bounded(at)) },
      clock(at, now())), el("span", {}, words)));
    while (this.list.children.length > 40) this.list.lastChild.remove();
  }

  #play() {
    this.stage.play();
    this.#tick();
  }

  // step shows the picture before or after the one shown.
  async #step(by) {
    const at = this.stage.exactly();
    if (!Number.isFinite(at)) return;
    if (by < 0) return this.seek(at - 0.001);
    if (this.stage.head === null) return;
    try {
      const { frames } = await get(`cameras/${encodeURIComponent(this.ref)}/frames`, { from: stamp(at + 0.001), limit: 1 }, this.#abort.signal);
      this.seek(frames.length ? exact(frames[0].captured) : null);
    } catch (e) {
      this.say(e.message, "bad");
    }
  }

  #edge(end) {
    const at = this.stage.head ?? now();
    const span = this.timeline.span ?? [at - 10_000, at];
    span[end] = at;
    if (span[0] > span[1]) span[1 - end] = end ? at - 10_000 : at + 10_000;
    this.timeline.pick(...span);
  }

  #typed() {
    const [from, to] = [this.from.value, this.to.value].map((v) => new Date(v).getTime());
    if (from < to) this.timeline.pick(from, to);
    else text(this.length, "The end lies before the start.");
  }

  #picked(span) {
    if (!span) {
      attr(this.save, "href");
      attr(this.save, "aria-disabled", true);
      text(this.length, "Mark a span: drag on the timeline with Shift, or [ and ].");
      return;
    }
    const [from, to] = span;
    this.from.value = local(from);
    this.to.value = local(to);
    text(this.length, `${duration((to - from) / 1000)} of pictures`);
    const query = { camera: this.ref, from: stamp(from), to: stamp(to) };
    attr(this.save, "href", url(`clip.${this.format.value}`, query));
    attr(this.save, "download", `${this.ref} ${fileTime(from)}.${this.format.value}`);
    attr(this.save, "aria-disabled");
  }

  key(e) {
    if (e.target instanceof HTMLInputElement || e.target instanceof HTMLSelectElement) return false;
    const step = e.shiftKey ? 10 : 1;
    const keys = {
      ArrowLeft: () => this.seek(this.timeline.moved(-step)),
      ArrowRight: () => this.stage.head !== null && this.seek(this.timeline.moved(step)),
      Home: () => this.seek(this.timeline.whole[0]),
      End: () => this.seek(null),
      l: () => this.seek(null),
      ",": () => this.#step(-1),
      ".": () => this.#step(1),
      "+": () => this.timeline.zoom(0.5),
      "=": () => this.timeline.zoom(0.5),
      "-": () => this.timeline.zoom(2),
      0: () => this.timeline.all(),
      "[": () => this.#edge(0),
      "]": () => this.#edge(1),
      e: () => this.save.href ? this.save.click() : this.save.focus(),
      f: () => this.stage.fullscreen(),
      n: () => this.neighbours[1].click(),
      p: () => this.neighbours[0].click(),
      Escape: () => (location.hash = "#/"),
    };
    if (e.key === " " && !(e.target instanceof HTMLButtonElement)) {
      this.#play();
      return true;
    }
    if (!keys[e.key]) return false;
    keys[e.key]();
    return true;
  }
}

// local is a moment as an input for local times writes it.
function local(t) {
  const d = new Date(t - new Date(t).getTimezoneOffset() * 60_000);
  return d.toISOString().slice(0, 19);
}

const fileTime = (t) => new Date(t).toISOString().slice(0, 19).replaceAll(":", "-");
