// Store is what the page knows of the node. It lives on /api/v1/watch, connects again by itself, and says when it is cut off.

import { fetched, get, heard, whenRefused } from "./api.js";
import { time } from "./format.js";
import { Events } from "./parse.js";

const SILENCE = 25_000; // the node says something every 10 s
const HIDDEN = 30_000; // a page that nobody sees lets go of its connection after this
const STATUS_EVERY = 10_000;
const SAMPLE_EVERY = 3_000;
const SAMPLES = 100;

export class Store extends EventTarget {
  status = {};
  cameras = new Map(); // by site.id
  bridges = new Map(); // by site.name
  sites = new Map(); // by site
  link = { state: "connecting", since: Date.now(), why: "" };
  #latency = new Map(); // of the last picture, by site.id
  #seen = null; // what the watch has named since it began, until it is ready
  #abort = null;
  #wake = () => {};
  #running = true;

  static key = (o) => `${o.site}.${o.id ?? o.name}`;

  // ref is what the API calls a camera.
  ref = (c) => (this.status.hub ? `${c.site}.${c.id}` : c.id);
  camera = (ref) => [...this.cameras.values()].find((c) => this.ref(c) === ref);

  get operator() {
    return this.status.role === "operator";
  }

  start() {
    whenRefused(() => this.#linked("refused", "the node wants a name and a password"));
    document.addEventListener("visibilitychange", () => this.#seenOrNot());
    setInterval(() => this.#sample(), SAMPLE_EVERY);
    setInterval(() => document.hidden || this.#askStatus(), STATUS_EVERY);
    this.#run();
  }

  // latency notes how long a camera's last picture took from capture into the stream, in milliseconds.
  latency(key, ms) {
    this.#latency.set(key, ms);
  }

  lastLatency = (key) => this.#latency.get(key);

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  // again connects at once.
  again() {
    this.#wake();
  }

  async #run() {
    for (let wait = 500; ; wait = Math.min(2 * wait, 8000)) {
      if (this.#running) {
        try {
          await this.#watch(() => (wait = 500));
          this.#linked("cut", "the node has ended the connection");
        } catch (e) {
          if (this.#running && e.status !== 401) this.#linked("cut", e.status ? e.message : "the node does not answer");
        }
      }
      await new Promise((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, this.#running ? wait * (0.8 + 0.4 * Math.random()) : 3_600_000);
      });
    }
  }

  // watch follows the node until the connection ends, by its own will or that of the silence.
  async #watch(connected) {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    let timer = setTimeout(() => this.#abort.abort(), SILENCE);
    try {
      await this.#askStatus(signal);
      const answer = await fetched("watch", { signal, headers: { Accept: "text/event-stream" } });
      const events = new Events();
      this.#seen = { camera: new Set(), bridge: new Set(), site: new Set() };
      const reader = answer.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => this.#abort.abort(), SILENCE);
        for (const e of events.feed(value)) {
          if (e.type === "ready") connected();
          if (e.type) this.#take(e);
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #take({ type, data }) {
    if (type === "ready") {
      this.#forget();
      this.#linked("on", "");
      this.tell("ready");
      return;
    }
    const o = JSON.parse(data);
    if (type === "event") {
      this.tell("event", o);
      return;
    }
    const kept = { camera: this.cameras, bridge: this.bridges, site: this.sites }[type];
    if (!kept) return;
    const key = type === "site" ? o.site : Store.key(o);
    this.#seen?.[type].add(key);
    const before = kept.get(key);
    if (o.removed) {
      kept.delete(key);
      this.tell("ready");
      return;
    }
    kept.set(key, Object.assign(o, { history: before?.history ?? { fps: [], latency: [], pending: [] } }));
    if (this.#seen === null) this.tell(before ? type : "ready", { key, before, now: o });
  }

  // forget drops what the node does not name any more.
  #forget() {
    for (const [type, kept] of [["camera", this.cameras], ["bridge", this.bridges], ["site", this.sites]]) {
      for (const key of kept.keys()) if (!this.#seen?.[type].has(key)) kept.delete(key);
    }
    this.#seen = null;
  }

  async #askStatus(signal) {
    const sent = Date.now();
    try {
      this.status = await get("status", {}, signal);
      heard(time(this.status.time), sent, Date.now());
      this.tell("status");
    } catch (e) {
      if (signal) throw e;
      // The watch says by itself that the node is gone.
    }
  }

  #linked(state, why) {
    const since = state === "on" || this.link.state === "on" || this.link.state === "connecting" ? Date.now() : this.link.since;
    const changed = state !== this.link.state || why !== this.link.why;
    this.link = { state, why, since };
    if (changed) this.tell("link");
  }

  #seenOrNot() {
    clearTimeout(this.hiding);
    if (document.hidden) {
      this.hiding = setTimeout(() => {
        this.#running = false;
        this.#abort?.abort();
      }, HIDDEN);
      return;
    }
    if (!this.#running) {
      this.#running = true;
      this.#linked("connecting", "");
      this.#wake();
    }
  }

  // sample adds to what sparklines show.
  #sample() {
    const add = (list, v) => {
      list.push(v);
      if (list.length > SAMPLES) list.shift();
    };
    const on = this.link.state === "on";
    for (const [key, c] of this.cameras) {
      add(c.history.fps, on ? c.fps ?? 0 : null);
      add(c.history.latency, on ? this.#latency.get(key) ?? null : null);
    }
    for (const b of this.bridges.values()) add(b.history.pending, on ? b.pending ?? 0 : null);
    this.tell("sample");
  }
}
