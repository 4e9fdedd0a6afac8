// Timeline draws all that is held of a camera, and lets a moment and a span be picked by mouse, touch and pen. Keys come from the camera's view.

import { attr, el, text } from "./dom.js";
import { clock, duration } from "./format.js";
import { fit, gaps, label, panned, ticks, zoomed } from "./span.js";

const LANE = { top: 20, height: 30 };
const GRIP = 9; // pixels around the edge of a span
const EDGE = 1500; // ms behind the newest picture that count as live

export class Timeline {
  whole = [0, 1];
  view = [0, 1];
  head = null; // the moment shown, null for live
  span = null; // [from, to], to be exported
  marks = []; // { at, tone, words }, in order
  coarse = []; // stretches of pictures over the whole
  fine = null; // { range, stretches } of a closer view
  #pointers = new Map();
  #drag = null;
  #dirty = false;
  #colours = null;

  // told: seek(moment or null), picked(span), viewed().
  constructor(now, told) {
    this.now = now;
    this.told = told;
    this.strip = el("canvas.strip", { role: "slider", tabindex: 0, "aria-label": "Moment shown",
      "aria-keyshortcuts": "ArrowLeft ArrowRight Shift+ArrowLeft Shift+ArrowRight Home End Plus Minus" });
    this.overview = el("canvas.overview", { "aria-hidden": "true" });
    this.bubble = el("span.bubble", { hidden: true, "aria-hidden": "true" });
    this.summary = el("p.only-heard", { id: "timeline-summary" });
    this.strip.setAttribute("aria-describedby", "timeline-summary");
    this.node = el("div.timeline", {}, this.bubble, this.strip, this.overview, this.summary);
    this.#listen();
    this.sized = new ResizeObserver(() => this.draw());
    this.sized.observe(this.strip);
  }

  stop() {
    this.sized.disconnect();
  }

  // hold sets the whole of what is held. A view that shows the end stays with it.
  hold(first, last) {
    const all = this.view[1] - this.view[0] >= 0.999 * (this.whole[1] - this.whole[0]);
    const atEnd = this.view[1] >= this.whole[1] - 1;
    const by = last - this.whole[1];
    this.whole = [first, Math.max(last, first + 1000)];
    if (all) this.view = [...this.whole];
    else if (atEnd && this.head === null) this.view = fit([this.view[0] + by, this.view[1] + by], this.whole);
    else this.view = fit(this.view, this.whole);
    this.draw();
  }

  show(head) {
    this.head = head;
    if (head !== null && (head < this.view[0] || head > this.view[1])) {
      const half = (this.view[1] - this.view[0]) / 2;
      this.#look([head - half, head + half]);
    }
    this.draw();
  }

  zoom(factor, at = this.head ?? this.view[1]) {
    this.#look(zoomed(this.view, this.whole, factor, at));
  }

  all() {
    this.#look([...this.whole]);
  }

  pick(from, to) {
    this.span = from === null ? null : [Math.min(from, to), Math.max(from, to)];
    this.told.picked(this.span);
    this.draw();
  }

  // moved is the head after a step of so many hundredths of the view.
  moved(hundredths) {
    const by = (hundredths * (this.view[1] - this.view[0])) / 100;
    return this.bounded(this.head === null ? this.whole[1] + Math.min(by, -2 * EDGE) : this.head + by);
  }

  // bounded is the moment within what is held, null where it is the live end.
  bounded(t) {
    return t >= this.whole[1] - EDGE ? null : Math.max(t, this.whole[0]);
  }

  draw() {
    if (this.#dirty) return;
    this.#dirty = true;
    requestAnimationFrame(() => {
      this.#dirty = false;
      this.#drawStrip();
      this.#drawOverview();
      this.#tell();
    });
  }

  // summarise tells what the timeline shows to those who do not see it.
  summarise() {
    const missing = gaps(this.coarse);
    const words = missing.slice(-5).map(([from, to]) => `${clock(from, this.now())} to ${clock(to, this.now())}`).join(", ");
    text(this.summary, `Pictures are held from ${clock(this.whole[0], this.now())} on. ` +
      (missing.length ? `${missing.length} ${missing.length === 1 ? "gap" : "gaps"}, the last ones ${words}. ` : "No gaps. ") + `${this.marks.length} events.`);
  }

  // recolour has the colours read anew, for the theme has changed.
  recolour() {
    this.#colours = null;
    this.draw();
  }

  #look(view) {
    this.view = fit(view, this.whole);
    this.told.viewed();
    this.draw();
  }

  #tell() {
    const at = this.head ?? this.whole[1];
    attr(this.strip, "aria-valuemin", Math.round(this.whole[0] / 1000));
    attr(this.strip, "aria-valuemax", Math.round(this.whole[1] / 1000));
    attr(this.strip, "aria-valuenow", Math.round(at / 1000));
    attr(this.strip, "aria-valuetext", this.head === null ? "live" : `${clock(at, this.now())}, ${duration((this.now() - at) / 1000)} ago`);
  }

  #x(t, width) {
    return ((t - this.view[0]) / (this.view[1] - this.view[0])) * width;
  }

  #t(x) {
    return this.view[0] + (x / this.strip.clientWidth) * (this.view[1] - this.view[0]);
  }

  #colour(name) {
    if (!this.#colours) {
      const style = getComputedStyle(this.node);
      this.#colours = Object.fromEntries(["held", "lane", "line", "dim", "text", "accent", "ok", "warn", "bad", "idle", "panel"]
        .map((n) => [n, style.getPropertyValue("--" + n).trim()]));
    }
    return this.#colours[name];
  }

  #pen(canvas) {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const scale = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    return { pen, width, height };
  }

  #drawStrip() {
    const { pen, width, height } = this.#pen(this.strip);
    if (!width) return;
    const { top, height: tall } = LANE;
    pen.fillStyle = this.#colour("lane");
    round(pen, 0, top, width, tall, 6);
    pen.save();
    pen.clip();
    const closer = this.fine && this.fine.range[0] <= this.view[0] + 1 && this.fine.range[1] >= this.view[1] - 10_000;
    const stretches = closer ? this.fine.stretches : this.coarse;
    for (const [from, to] of gaps(stretches)) this.#hatch(pen, this.#x(from, width), this.#x(to, width), top, tall);
    pen.fillStyle = this.#colour("held");
    for (const [from, to] of stretches) {
      const x = this.#x(from, width);
      pen.fillRect(x, top, Math.max(1, this.#x(to, width) - x), tall);
    }
    pen.restore();
    this.#drawSpan(pen, width);
    this.#drawTicks(pen, width, height);
    this.#drawMarks(pen, width);
    this.#drawHead(pen, width);
  }

  #hatch(pen, from, to, top, tall) {
    [from, to] = [Math.max(0, from), Math.min(this.strip.clientWidth, to)];
    if (to <= from) return;
    pen.save();
    pen.beginPath();
    pen.rect(from, top, to - from, tall);
    pen.clip();
    pen.strokeStyle = this.#colour("warn");
    pen.globalAlpha = 0.45;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let x = from - tall; x < to; x += 6) {
      pen.moveTo(x, top + tall);
      pen.lineTo(x + tall, top);
    }
    pen.stroke();
    pen.restore();
  }

  #drawSpan(pen, width) {
    if (!this.span) return;
    const [from, to] = this.span.map((t) => this.#x(t, width));
    pen.fillStyle = this.#colour("accent");
    pen.globalAlpha = 0.28;
    pen.fillRect(from, LANE.top - 3, to - from, LANE.height + 6);
    pen.globalAlpha = 1;
    for (const x of [from, to]) round(pen, x - 2, LANE.top - 3, 4, LANE.height + 6, 2);
  }

  #drawTicks(pen, width, height) {
    const { step, all } = ticks(this.view, width);
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "center";
    for (const t of all) {
      const x = this.#x(t, width);
      pen.fillStyle = this.#colour("line");
      pen.fillRect(Math.round(x), LANE.top + LANE.height, 1, 6);
      const words = label(t, step);
      const half = pen.measureText(words).width / 2;
      if (x < half || x > width - half) continue;
      pen.fillStyle = this.#colour("dim");
      pen.fillText(words, x, height - 5);
    }
  }

  #drawMarks(pen, width) {
    for (const m of this.marks) {
      if (m.at < this.view[0] || m.at > this.view[1]) continue;
      const x = this.#x(m.at, width);
      pen.fillStyle = this.#colour(m.tone);
      pen.beginPath();
      pen.moveTo(x - 4.5, LANE.top - 14);
      pen.lineTo(x + 4.5, LANE.top - 14);
      pen.lineTo(x, LANE.top - 6);
      pen.fill();
      pen.globalAlpha = 0.7;
      pen.fillRect(x - 0.5, LANE.top - 8, 1, LANE.height + 8);
      pen.globalAlpha = 1;
    }
  }

  #drawHead(pen, width) {
    const x = Math.min(width - 2, Math.max(2, this.#x(this.head ?? this.whole[1], width)));
    pen.fillStyle = this.#colour("panel");
    pen.fillRect(x - 2.5, LANE.top - 8, 5, LANE.height + 14);
    pen.fillStyle = this.#colour(this.head === null ? "ok" : "text");
    round(pen, x - 1, LANE.top - 8, 2, LANE.height + 14, 1);
    pen.beginPath();
    pen.arc(Math.min(width - 5, Math.max(5, x)), LANE.top - 9, 5, 0, 7);
    pen.fill();
  }

  #drawOverview() {
    const { pen, width, height } = this.#pen(this.overview);
    if (!width) return;
    const [first, last] = this.whole;
    const x = (t) => ((t - first) / (last - first)) * width;
    pen.fillStyle = this.#colour("lane");
    round(pen, 0, 2, width, height - 4, 3);
    pen.fillStyle = this.#colour("held");
    for (const [from, to] of this.coarse) pen.fillRect(x(from), 2, Math.max(1, x(to) - x(from)), height - 4);
    pen.strokeStyle = this.#colour("accent");
    pen.lineWidth = 2;
    pen.beginPath();
    pen.roundRect(x(this.view[0]) + 1, 1, Math.max(4, x(this.view[1]) - x(this.view[0]) - 2), height - 2, 4);
    pen.stroke();
  }

  #listen() {
    const s = this.strip;
    s.addEventListener("pointerdown", (e) => this.#down(e));
    s.addEventListener("pointermove", (e) => this.#move(e));
    for (const type of ["pointerup", "pointercancel"]) s.addEventListener(type, (e) => this.#up(e));
    s.addEventListener("pointerleave", () => (this.bubble.hidden = true));
    s.addEventListener("wheel", (e) => {
      e.preventDefault();
      if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) this.#look(panned(this.view, this.whole, (e.deltaX / s.clientWidth) * (this.view[1] - this.view[0])));
      else this.zoom(Math.exp(e.deltaY / 400), this.#t(e.offsetX));
    }, { passive: false });
    const over = (e) => {
      if (!e.buttons) return;
      const [first, last] = this.whole;
      const at = first + (e.offsetX / this.overview.clientWidth) * (last - first);
      const half = (this.view[1] - this.view[0]) / 2;
      this.#look([at - half, at + half]);
    };
    this.overview.addEventListener("pointerdown", (e) => {
      this.overview.setPointerCapture(e.pointerId);
      over(e);
    });
    this.overview.addEventListener("pointermove", over);
  }

  #down(e) {
    this.strip.setPointerCapture(e.pointerId);
    this.strip.focus({ preventScroll: true });
    this.#pointers.set(e.pointerId, e.offsetX);
    if (this.#pointers.size === 2) {
      const [a, b] = this.#pointers.values();
      this.#drag = { kind: "pinch", apart: Math.max(10, Math.abs(a - b)), view: this.view, at: this.#t((a + b) / 2) };
      return;
    }
    const edge = this.span?.findIndex((t) => Math.abs(this.#x(t, this.strip.clientWidth) - e.offsetX) < GRIP) ?? -1;
    const at = this.#t(e.offsetX);
    if (edge >= 0) this.#drag = { kind: "span", from: this.span[1 - edge] };
    else this.#drag = e.shiftKey ? { kind: "span", from: at } : { kind: "seek" };
    this.#move(e);
  }

  #move(e) {
    this.#hover(e);
    if (!this.#drag || !this.#pointers.has(e.pointerId)) return;
    this.#pointers.set(e.pointerId, e.offsetX);
    const at = Math.min(this.whole[1], Math.max(this.whole[0], this.#t(e.offsetX)));
    if (this.#drag.kind === "pinch") {
      const [a, b] = this.#pointers.values();
      this.#look(zoomed(this.#drag.view, this.whole, this.#drag.apart / Math.max(10, Math.abs(a - b)), this.#drag.at));
    } else if (this.#drag.kind === "span") this.pick(this.#drag.from, at);
    else this.told.seek(this.bounded(at));
  }

  #up(e) {
    this.#pointers.delete(e.pointerId);
    if (this.#pointers.size === 0) this.#drag = null;
    else if (this.#drag?.kind === "pinch") this.#drag = { kind: "none" };
  }

  #hover(e) {
    const t = this.#t(e.offsetX);
    const near = this.marks.find((m) => Math.abs(this.#x(m.at, this.strip.clientWidth) - e.offsetX) < 6);
    text(this.bubble, near ? `${clock(near.at, this.now())} ${near.words}` : clock(Math.min(t, this.whole[1]), this.now()));
    this.bubble.hidden = false;
    const half = this.bubble.offsetWidth / 2;
    this.bubble.style.left = `${Math.min(this.strip.clientWidth - half, Math.max(half, e.offsetX))}px`;
  }
}

function round(pen, x, y, width, height, radius) {
  pen.beginPath();
  pen.roundRect(x, y, width, height, radius);
  pen.fill();
}
