// Stage shows one camera large, live or at a moment of the past. It never shows an old picture as live: what it shows is said beside it,
// and a live picture that no other follows turns grey.

import { now } from "./api.js";
import { attr, el, icon, text } from "./dom.js";
import { clock, duration } from "./format.js";
import { Live } from "./live.js";
import { exact, Moments } from "./moments.js";

// A picture that no other follows counts as live for this many seconds, or longer where pictures come more seldom: of video that is stored as it
// comes only keyframes are shown where the node decodes enough other cameras.
const LEAST_STALL = 2.5;
const VIDEO_STALL = 12; // until it is known how far apart pictures are
const MOST_STALL = 30;
const NARROW = 640; // pixels asked for on a phone
const BEHIND = 3; // seconds between the moment asked for and its picture that are worth a word

export class Stage {
  mode = "waiting"; // live, stalled, past, waiting
  captured = NaN; // of the picture shown
  said = ""; // the same as the node wrote it
  #arrived = 0;
  #usual = 0; // seconds between live pictures
  #live = null;
  #moments = null;
  #begun = null; // where playing the past began

  // told: rate(), pictures a second; video(), whether it is stored as it comes; mode(mode); shown(captured, stored); caughtUp().
  constructor(ref, told) {
    this.ref = ref;
    this.told = told;
    this.canvas = el("canvas", { width: 1280, height: 720, role: "img", "aria-label": `${ref}: no picture yet` });
    this.badge = el("span.badge");
    this.cover = el("p.cover", { hidden: true });
    this.full = el("button.over", { type: "button", "aria-label": "Whole screen, key F", "aria-keyshortcuts": "f", onclick: () => this.fullscreen() }, icon("full"));
    this.node = el("div.stage", { "data-mode": "waiting" }, this.canvas, this.badge, this.cover, this.full);
    this.timer = setInterval(() => this.tick(), 250);
    this.hidden = () => (document.hidden ? this.#stopLive() : this.head === null && this.live());
    document.addEventListener("visibilitychange", this.hidden);
  }

  head = null; // the moment asked for, null for live

  stop() {
    clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.hidden);
    this.#stopLive();
    this.#moments?.stop();
  }

  get playing() {
    return this.#begun !== null;
  }

  // live shows what comes, until a moment is asked for.
  live() {
    this.head = this.#begun = null;
    this.#moments?.stop();
    this.#moments = null;
    if (this.#live) return;
    this.captured = NaN;
    this.#arrived = performance.now();
    this.#mode("waiting");
    this.#live = new Live(this.ref, this.#width(), (bitmap, { captured, stored }) => {
      if (this.head !== null) return;
      this.#arrived = performance.now();
      this.#came((captured - this.captured) / 1000);
      this.#paint(bitmap, captured);
      this.told.shown(captured, stored);
      this.tick();
    });
  }

  // at shows a moment that is held.
  at(moment) {
    this.#stopLive();
    this.head = moment;
    this.#begun = null;
    this.#want(moment);
    this.#mode("past");
    this.tick();
  }

  // play lets the past go on from where it is, as fast as it went, or stops it there.
  play() {
    if (this.#begun) this.#begun = null;
    else if (this.head !== null) this.#begun = { at: this.head, since: performance.now() };
  }

  fullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.node.requestFullscreen?.();
  }

  tick() {
    if (this.#begun) {
      this.head = this.#begun.at + performance.now() - this.#begun.since;
      if (this.head >= now() - 1500) return this.told.caughtUp();
      if (!this.#moments.busy) this.#want(this.head);
    }
    if (this.head === null) this.#tickLive();
    else this.#tickPast();
  }

  #tickLive() {
    const age = Math.max(now() - (this.captured || 0), performance.now() - this.#arrived) / 1000;
    const limit = this.#limit();
    const known = Number.isFinite(this.captured);
    const silent = (performance.now() - this.#arrived) / 1000 > limit;
    if (!known) this.#mode(silent ? "stalled" : "waiting");
    else this.#mode(age <= limit ? "live" : "stalled");
    const words = { live: `live, ${(Math.max(0, age)).toFixed(1)} s`, waiting: "waiting for a picture", stalled: "not live" }[this.mode];
    text(this.badge, words);
    this.cover.hidden = this.mode === "live";
    text(this.cover, this.mode === "live" ? "" : known ? `last picture ${duration(age)} ago` : silent ? "no picture comes" : "");
    attr(this.canvas, "aria-label", this.mode === "live" ? `${this.ref}, live picture` : `${this.ref}, ${known ? "an old picture, not live" : "no picture"}`);
  }

  #came(apart) {
    if (apart > 0) this.#usual = Math.max(apart, 0.7 * this.#usual + 0.3 * apart);
  }

  // limit is how old a picture may be that is shown as live, in seconds.
  #limit() {
    if (!this.#usual && this.told.video()) return VIDEO_STALL;
    return Math.min(MOST_STALL, Math.max(LEAST_STALL, this.#interval(), 2.5 * this.#usual));
  }

  #interval = () => 4 / Math.max(0.05, this.told.rate());

  #tickPast() {
    const shown = Number.isFinite(this.captured) ? this.captured : this.head;
    text(this.badge, `${clock(shown, now(), 1)}, ${duration((now() - shown) / 1000)} ago`);
    attr(this.canvas, "aria-label", `${this.ref} at ${clock(shown, now())}`);
  }

  #want(moment) {
    this.#moments ??= new Moments(this.ref, (bitmap, { asked, captured, said }) => {
      if (this.head === null) return;
      this.said = said;
      this.#paint(bitmap, captured);
      const behind = (asked - captured) / 1000;
      const gap = behind > Math.max(BEHIND, this.#interval());
      this.cover.hidden = !gap;
      text(this.cover, gap ? `nothing held at ${clock(asked, now())}: this is the last picture before` : "");
      this.tick();
    }, (e) => {
      if (this.head === null) return;
      this.cover.hidden = false;
      text(this.cover, e.status === 404 || e.status === 410 ? "no picture is held of this moment" : e.message || "the node does not answer");
    });
    this.#moments.want(moment, this.#width());
  }

  #paint(bitmap, captured) {
    if (this.canvas.width !== bitmap.width || this.canvas.height !== bitmap.height) {
      [this.canvas.width, this.canvas.height] = [bitmap.width, bitmap.height];
    }
    this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
    this.captured = captured;
    this.canvas.dataset.captured = captured;
    this.canvas.dataset.painted = now();
  }

  // exactly is the time of the picture shown, with its microseconds.
  exactly() {
    return this.head !== null && this.said ? exact(this.said) : this.captured;
  }

  #width() {
    return innerWidth * devicePixelRatio < 900 || navigator.connection?.saveData ? NARROW : undefined;
  }

  #stopLive() {
    this.#live?.stop();
    this.#live = null;
  }

  #mode(mode) {
    if (mode === this.mode) return;
    this.mode = this.node.dataset.mode = mode;
    this.told.mode(mode);
  }
}
