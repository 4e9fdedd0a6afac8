// What happened, the newest first: as it happens, and back as far as the stream of events holds.

import { get, now } from "./api.js";
import { attr, el } from "./dom.js";
import { clock, eventTone, eventWords, time } from "./format.js";
import { stamp } from "./moments.js";

const PAGE = 100;
const MOST = 1000;
const CLASSES = ["camera", "bridge", "node", "link"];
const TONES = [["bad", "trouble"], ["warn", "worth a look"], ["ok", "good news"], ["idle", "notes"]];

export class Events {
  title = "Events";
  #known = []; // the newest first
  #only = { class: new Set(), tone: new Set() }; // what is shown; all where none is chosen

  constructor(store, prefs, say) {
    this.store = store;
    this.say = say;
  }

  mount(root) {
    this.#known = [];
    this.search = el("input", { type: "search", placeholder: "Name, site or word", "aria-label": "Find events, key /", "aria-keyshortcuts": "/", oninput: () => this.#draw() });
    const chip = (group, key, words, tone) => el("button.chip", { type: "button", "aria-pressed": "false", "data-tone": tone,
      onclick: (e) => this.#toggle(this.#only[group], key, e.currentTarget) }, words);
    this.list = el("ol.feed.large", { "aria-label": "Events, the newest first" });
    this.none = el("p.empty", { hidden: true }, "Nothing of that kind has happened in the time held.");
    this.older = el("button", { type: "button", onclick: () => this.#older() }, "Earlier");
    root.append(el("h1.only-heard", {}, "Events"), el("div.bar", {}, this.search,
      el("div.chips", { role: "group", "aria-label": "Only events about" }, ...CLASSES.map((c) => chip("class", c, c))),
      el("div.chips", { role: "group", "aria-label": "Only events that are" }, ...TONES.map(([tone, words]) => chip("tone", tone, words, tone)))), this.none, this.list, this.older);
    this.#older();
  }

  unmount() {}

  on(type, detail) {
    if (type === "event") this.#add([detail]);
    if (type === "ready") this.#refresh();
  }

  key(e) {
    if (e.key === "/") {
      this.search.focus();
      return true;
    }
    if (e.key === "Escape" && document.activeElement === this.search) {
      this.search.value = "";
      this.#draw();
      this.search.blur();
      return true;
    }
    return false;
  }

  #toggle(only, key, button) {
    if (!only.delete(key)) only.add(key);
    attr(button, "aria-pressed", only.has(key));
    this.#draw();
  }

  // refresh asks for what has happened while the page was cut off.
  #refresh = () => this.#ask({ limit: PAGE });

  async #older() {
    const last = this.#known.at(-1);
    const got = await this.#ask({ limit: PAGE, to: last ? stamp(time(last.time)) : undefined });
    this.older.hidden = got < PAGE || this.#known.length >= MOST;
  }

  async #ask(query) {
    try {
      const got = await get("events", query);
      this.#add(got);
      return got.length;
    } catch (e) {
      this.say(e.message, "bad");
      return 0;
    }
  }

  #add(events) {
    const id = (e) => `${e.stream ?? ""} ${e.stream_seq ?? ""} ${e.time} ${e.class} ${e.name} ${e.kind}`;
    const seen = new Set(this.#known.map(id));
    this.#known = [...this.#known, ...events.filter((e) => !seen.has(id(e)))].sort((a, b) => time(b.time) - time(a.time)).slice(0, MOST);
    this.#draw();
  }

  #draw() {
    const words = this.search.value.toLowerCase();
    const chosen = (only, key) => only.size === 0 || only.has(key);
    const shown = this.#known.filter((e) => chosen(this.#only.class, e.class) && chosen(this.#only.tone, eventTone(e)) &&
      `${e.site} ${e.name} ${e.node} ${eventWords(e)}`.toLowerCase().includes(words));
    this.none.hidden = shown.length > 0;
    this.list.replaceChildren(...shown.map((e) => this.#row(e)));
  }

  #row(e) {
    const hub = this.store.status.hub;
    const name = hub ? `${e.site}.${e.name}` : e.name;
    const at = time(e.time);
    const who = e.class === "camera" ? el("a.who", { href: `#/camera/${encodeURIComponent(name)}@${at}`, title: "See the picture of then" }, name) : el("span.who", {}, name);
    return el("li", { "data-tone": eventTone(e) }, el("time", { datetime: e.time }, clock(at, now())), el("span.class", {}, e.class), who, el("span.said", {}, eventWords(e)));
  }
}
