// The bridges, with breaker, backlog and horizon, and the streams that hold for them.

import { act, get, now } from "./api.js";
import { attr, el, Spark, text } from "./dom.js";
import { bridgeState, bytes, clock, count, duration, time } from "./format.js";

const STREAMS_EVERY = 10_000;
const DRILLS = [["30s", "30 s"], ["2m", "2 min"], ["10m", "10 min"]];

// Card is one bridge.
class Card {
  constructor(view, key) {
    this.view = view;
    this.key = key;
    this.state = el("span.state");
    this.error = el("p.error", { hidden: true });
    this.values = Object.fromEntries(["since", "pending", "drain", "delivered", "horizon", "node"].map((k) => [k, el("dd")]));
    this.spark = new Spark("backlog", 120, 28);
    this.values.pending.append(this.spark.node, el("span"));
    const row = (k, name) => el("div", { "data-fact": k }, el("dt", {}, name), this.values[k]);
    this.acts = el("div.acts");
    this.node = el("article.card.bridge", { "aria-label": `Bridge ${this.name}` },
      el("div.head", {}, el("h2", {}, this.name), this.state), this.error,
      el("dl.facts", {}, row("since", "in this state"), row("pending", "backlog"), row("drain", "until it is drained"),
        row("horizon", "an outage still fits"), row("delivered", "confirmed"), row("node", "at work on")), this.acts);
    this.update();
  }

  get bridge() {
    return this.view.store.bridges.get(this.key);
  }

  get name() {
    const b = this.bridge;
    return b.site === this.view.store.status.site ? b.name : `${b.site}.${b.name}`;
  }

  update() {
    const b = this.bridge;
    const { word, tone } = bridgeState(b);
    text(this.state, word);
    this.state.dataset.tone = this.node.dataset.tone = tone;
    this.error.hidden = !b.error;
    text(this.error, b.error ? (b.fault ? `${b.fault}: ${b.error}` : b.error) : "");
    text(this.values.pending.lastChild, `${count(b.pending ?? 0)} frames`);
    text(this.values.drain, !b.pending ? "nothing waits" : b.drain_seconds === null || b.drain_seconds === undefined ? "not known" : `about ${duration(Math.max(1, b.drain_seconds))}`);
    const horizon = b.horizon_seconds ?? this.view.store.status.horizon_seconds;
    text(this.values.horizon, horizon === null || horizon === undefined ? "not known" : duration(horizon));
    text(this.values.delivered, `${count(b.delivered ?? 0)} frames since it started`);
    text(this.values.node, b.node ?? "");
    this.#steer(b);
    this.tick();
  }

  tick() {
    const since = time(this.bridge?.since);
    text(this.values.since, Number.isFinite(since) ? `${duration((now() - since) / 1000)}, since ${clock(since, now())}` : "");
  }

  sample() {
    if (this.bridge) this.spark.draw(this.bridge.history.pending, " frames");
  }

  #steer(b) {
    const can = !this.view.store.operator || b.site !== this.view.store.status.site ? "" : b.fault === "held" ? "end" : "drill";
    if (this.acts.dataset.can === can) return;
    this.acts.dataset.can = can;
    if (can === "") this.acts.replaceChildren();
    if (can === "end") this.acts.replaceChildren(el("button", { type: "button", onclick: () => this.view.act(b.name, "DELETE", undefined, "the drill is over") }, "End the drill"));
    if (can === "drill") this.acts.replaceChildren(el("button", { type: "button", "data-act": "drill", onclick: () => this.view.ask(b.name) }, "Rehearse an outage"));
  }
}

export class Bridges {
  title = "Bridges";
  #cards = new Map();
  #timers = [];

  constructor(store, prefs, say) {
    this.store = store;
    this.say = say;
  }

  mount(root) {
    this.list = el("div.cards");
    this.none = el("p.empty", {}, "No bridges: frames stay in the stream. They stand under “bridges” in the configuration.");
    this.streams = el("tbody");
    this.table = el("section.card", { hidden: true }, el("h2", {}, "What the streams hold"), el("div.scroll", {}, el("table", {}, el("thead", {},
      el("tr", {}, ...["stream", "messages", "size", "of its bound", "oldest", "kept for"].map((h) => el("th", { scope: "col" }, h)))), this.streams)));
    this.dialog = this.#dialog();
    root.append(el("h1", {}, "Bridges"), this.none, this.list, this.table, this.dialog);
    this.#build();
    this.#streams();
    this.#timers = [setInterval(() => this.#cards.forEach((c) => c.tick()), 1000), setInterval(() => document.hidden || this.#streams(), STREAMS_EVERY)];
  }

  unmount() {
    this.#timers.forEach(clearInterval);
    this.#cards.clear();
  }

  on(type, detail) {
    if (type === "ready") this.#build();
    if (type === "bridge") this.#cards.get(detail.key)?.update();
    if (type === "status") this.#cards.forEach((c) => c.update());
    if (type === "sample") this.#cards.forEach((c) => c.sample());
  }

  key() {
    return false;
  }

  #build() {
    for (const key of this.store.bridges.keys()) if (!this.#cards.has(key)) this.#cards.set(key, new Card(this, key));
    for (const key of this.#cards.keys()) if (!this.store.bridges.has(key)) this.#cards.delete(key);
    const sorted = [...this.#cards].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true })).map(([, c]) => c);
    sorted.forEach((c) => (c.update(), c.sample()));
    this.list.replaceChildren(...sorted.map((c) => c.node));
    this.none.hidden = sorted.length > 0 || this.store.link.state !== "on";
  }

  // dialog asks before a drill, for it holds frames back.
  #dialog() {
    this.asked = el("h2");
    this.length = el("select", { "aria-label": "How long" }, ...DRILLS.map(([value, words]) => el("option", { value }, words)));
    this.length.value = "2m";
    return el("dialog", { "aria-label": "Rehearse an outage" }, el("form", { method: "dialog" }, this.asked,
      el("p", {}, "The breaker of this bridge is held open. Frames wait in the stream and are delivered afterwards; nothing is lost as long as the horizon is longer than this."),
      el("label", {}, "for ", this.length), el("div.acts", {}, el("button", { value: "no" }, "Leave it"),
        el("button.primary", { value: "yes" }, "Hold it open"))));
  }

  ask(name) {
    text(this.asked, `An outage of ${name}`);
    this.dialog.returnValue = "";
    this.dialog.onclose = () => this.dialog.returnValue === "yes" && this.act(name, "POST", { for: this.length.value }, "its breaker is held open");
    this.dialog.showModal();
  }

  async act(name, method, body, done) {
    try {
      await act(`bridges/${encodeURIComponent(name)}/drill`, method, body);
      this.say(`${name}: ${done}`);
    } catch (e) {
      this.say(e.message, "bad");
    }
  }

  async #streams() {
    try {
      const streams = await get("streams");
      this.table.hidden = streams.length === 0;
      this.streams.replaceChildren(...streams.map((s) => this.#stream(s)));
    } catch {
      // What was known stays.
    }
  }

  #stream(s) {
    const share = s.max_bytes > 0 ? s.bytes / s.max_bytes : 0;
    const meter = s.max_bytes > 0 ? el("meter", { min: 0, max: 1, value: share, "aria-label": `${Math.round(100 * share)} % of ${bytes(s.max_bytes)}` }) : null;
    const oldest = time(s.first_time);
    return el("tr", {}, el("th", { scope: "row" }, s.name), el("td", {}, count(s.messages)), el("td", {}, bytes(s.bytes)),
      el("td", {}, meter, s.max_bytes > 0 ? ` ${Math.round(100 * share)} %` : "no bound"),
      el("td", {}, s.messages ? `${duration((now() - oldest) / 1000)} ago` : "empty"), el("td", {}, s.max_age_seconds ? duration(s.max_age_seconds) : "no end"));
  }
}
