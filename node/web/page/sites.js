// On a hub: the sites, and how far behind it is with each. At a site: its links to hubs.

import { get, now } from "./api.js";
import { el, text } from "./dom.js";
import { clock, count, duration, linkState, time } from "./format.js";

const EVERY = 5_000;

export class Sites {
  #timer = 0;

  constructor(store) {
    this.store = store;
  }

  get title() {
    return this.store.status.hub ? "Sites" : "Links";
  }

  mount(root) {
    this.heading = el("h1");
    this.none = el("p.empty", { hidden: true });
    this.list = el("div.cards");
    root.append(this.heading, this.none, this.list);
    this.all = [];
    this.#ask();
    this.#timer = setInterval(() => document.hidden || this.#ask(), EVERY);
  }

  unmount() {
    clearInterval(this.#timer);
  }

  on(type) {
    if (type === "ready" || type === "site") this.#ask();
  }

  key() {
    return false;
  }

  async #ask() {
    try {
      this.all = await get(this.store.status.hub ? "sites" : "links");
    } catch {
      // What was known stays.
    }
    this.#draw();
  }

  #draw() {
    const hub = Boolean(this.store.status.hub);
    text(this.heading, this.title);
    const { all } = this;
    this.none.hidden = all.length > 0;
    text(this.none, hub ? "No site has joined this hub yet: “edge-video site add” makes the credentials for one." : "This node has no link to a hub.");
    this.list.replaceChildren(...all.map((s) => this.#card(s, hub)));
  }

  #card(s, hub) {
    const name = hub ? s.site : s.hub || s.name;
    const { word, tone } = linkState(s);
    const since = time(s.since);
    const known = (v) => v !== undefined && v !== null;
    const rows = [
      ["in this state", Number.isFinite(since) ? `${duration((now() - since) / 1000)}, since ${clock(since, now())}` : ""],
      [hub ? "frames not here yet" : "frames not at the hub yet", known(s.lag_frames) ? count(s.lag_frames) : ""],
      ["behind", known(s.lag_seconds) ? duration(s.lag_seconds) : ""],
      ["catching up for", s.catch_up_seconds ? duration(s.catch_up_seconds) : ""],
      ["round trip", known(s.rtt_seconds) ? `${Math.round(1000 * s.rtt_seconds)} ms` : ""],
      ["cameras", hub ? this.#cameras(s.site) : ""],
    ].filter(([, value]) => value !== "");
    return el("article.card", { "data-tone": tone, "aria-label": `${hub ? "Site" : "Link"} ${name}` },
      el("div.head", {}, el("h2", {}, name), el("span.state", { "data-tone": tone }, word)), s.error || s.warning ? el("p.error", {}, [s.error, s.warning].filter(Boolean).join("; ")) : null,
      el("dl.facts", {}, ...rows.map(([k, v]) => el("div", {}, el("dt", {}, k), el("dd", {}, v)))));
  }

  #cameras(site) {
    const all = [...this.store.cameras.values()].filter((c) => c.site === site);
    return all.length ? `${all.filter((c) => c.state === "up").length} of ${all.length} up` : "";
  }
}
