// The page: what is shown, keys, theme, and what is said about the connection.

import { now } from "./api.js";
import { Bridges } from "./bridges.js";
import { CameraView } from "./camera.js";
import { attr, el, text } from "./dom.js";
import { bridgeState, cameraState, clock, duration, linkState } from "./format.js";
import { Events } from "./events.js";
import { Sites } from "./sites.js";
import { Store } from "./store.js";
import { Wall } from "./wall.js";

const $ = (id) => document.getElementById(id);
const TABS = ["cameras", "bridges", "sites", "events"];

// prefs are kept by the browser, where it lets us.
const prefs = {
  get(name) {
    try {
      return localStorage.getItem("edge-video." + name);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      if (value === null) localStorage.removeItem("edge-video." + name);
      else localStorage.setItem("edge-video." + name, value);
    } catch {
      // It is asked for again the next time.
    }
  },
};

const store = new Store();
const views = {
  cameras: () => new Wall(store, prefs),
  camera: () => new CameraView(store, prefs, say),
  bridges: () => new Bridges(store, prefs, say),
  sites: () => new Sites(store),
  events: () => new Events(store, prefs, say),
};
let view = null;
let shown = "";

// say tells in a corner of the page and to screen readers; heard, to these alone.
function say(words, tone = "ok", heard = false) {
  $("said").append(el("p", {}, words));
  while ($("said").children.length > 4) $("said").firstChild.remove();
  if (heard) return;
  const toast = el("p.toast", { "data-tone": tone }, words);
  $("toasts").append(toast);
  setTimeout(() => toast.remove(), 6000);
}

// route shows what the address says: #/, #/camera/ID, #/camera/ID@MILLISECONDS, #/bridges, #/sites, #/events.
function route() {
  const [, name = "", id = ""] = location.hash.split("/");
  const kind = name === "" ? "cameras" : name in views ? name : "cameras";
  const [ref, at] = decode(id).split("@");
  const focused = document.activeElement?.closest?.("#view") !== null;
  view?.unmount();
  shown = kind;
  view = views[kind]();
  $("view").replaceChildren();
  view.mount($("view"), ref, Number(at) || null);
  for (const tab of TABS) attr($("tab-" + tab), "aria-current", tab === kind || (tab === "cameras" && kind === "camera") ? "page" : undefined);
  document.body.dataset.view = kind;
  titled();
  scrollTo(0, 0);
  if (focused) $("view").focus({ preventScroll: true });
}

function decode(s) {
  try {
    return decodeURIComponent(s);
  } catch {
    return s;
  }
}

function titled() {
  const { site } = store.status;
  const trouble = [...store.cameras.values()].filter((c) => ["warn", "bad"].includes(cameraState(c).tone)).length;
  document.title = `${trouble ? `(${trouble}) ` : ""}${view.title}${site ? `, ${site}` : ""}: edge-video`;
}

// linked says how the connection stands. While it is cut nothing on the page counts as of now.
function linked() {
  const { state, why, since } = store.link;
  document.body.dataset.link = state;
  text($("link"), { on: "connected", connecting: "connecting", cut: "not connected", refused: "not signed in" }[state]);
  $("cut").hidden = state === "on" || state === "connecting";
  text($("cut-words"), state === "refused" ? "This node wants a name and a password."
    : `No connection since ${clock(since)} (${duration((Date.now() - since) / 1000)}): ${why}. Trying again. What you see is from before.`);
  text($("cut-act"), state === "refused" ? "Sign in" : "Try now");
}

function announceLink() {
  const { state } = store.link;
  if (state === "on") say("Connected to the node", "ok", true);
  if (state === "cut") say("The connection to the node is cut", "bad", true);
  if (state === "refused") say("The node wants a name and a password", "bad", true);
  linked();
  view.on("link");
}

// health shows what endangers capture, and what is wrong beside.
function health() {
  const { site, node, hub, ready, reasons = [], degraded = [], horizon_seconds: horizon } = store.status;
  text($("site"), site ?? "");
  text($("node"), node ? (hub ? `${node}, hub` : node) : "");
  $("danger").hidden = ready !== false || reasons.length === 0;
  text($("danger"), `Capture is in danger: ${reasons.join("; ")}`);
  $("degraded").hidden = degraded.length === 0;
  text($("degraded-words"), degraded.length === 1 ? "1 thing is not as it should be" : `${degraded.length} things are not as they should be`);
  $("degraded-list").replaceChildren(...degraded.map((d) => el("li", {}, d)));
  text($("horizon"), horizon > 0 ? `an outage of ${duration(horizon)} fits` : "");
  $("tab-sites-words").textContent = hub ? "Sites" : "Links";
}

function counts() {
  for (const [tab, all, state] of [["cameras", store.cameras, cameraState], ["bridges", store.bridges, bridgeState], ["sites", store.sites, linkState]]) {
    text($("count-" + tab), all.size ? String(all.size) : "");
    const tones = [...all.values()].map((o) => state(o).tone).filter((t) => t === "bad" || t === "warn");
    const trouble = $("trouble-" + tab);
    trouble.hidden = tones.length === 0;
    trouble.dataset.tone = tones.includes("bad") ? "bad" : "warn";
    text(trouble, tones.length ? `! ${tones.length}` : "");
    attr(trouble, "aria-label", `${tones.length} in trouble`);
  }
}

// changed announces a state that has changed. Many at once are one sentence.
const changes = new Map();
function changed(kind, { before, now: after }) {
  const words = kind === "camera" ? cameraState : kind === "bridge" ? bridgeState : linkState;
  if (!before || words(before).word === words(after).word) return;
  if (changes.size === 0) setTimeout(announceChanges, 700);
  changes.set(after.id ?? after.name ?? after.site, words(after).word);
}

function announceChanges() {
  const all = [...changes];
  changes.clear();
  say(all.length <= 3 ? all.map(([name, word]) => `${name}: ${word}`).join(", ") : `${all.length} have changed their state`, "ok", true);
  titled();
}

// theme is light, dark, or what the system says.
function theme(next) {
  if (next !== undefined) prefs.set("theme", next);
  const chosen = prefs.get("theme");
  attr(document.documentElement, "data-theme", chosen);
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  attr($("theme"), "aria-label", `${dark ? "Light" : "Dark"} colours, key T`);
  view?.on("theme");
  return dark;
}

function keys(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || document.querySelector("dialog[open]")) return;
  if (view.key(e)) return e.preventDefault();
  if (e.target instanceof HTMLInputElement || e.target instanceof HTMLSelectElement) return;
  const tab = TABS[Number(e.key) - 1];
  if (tab) location.hash = tab === "cameras" ? "#/" : `#/${tab}`;
  else if (e.key === "t") theme(theme() ? "light" : "dark");
  else if (e.key === "?") $("help").showModal();
  else if (e.key === "Escape" && shown !== "cameras") location.hash = "#/";
  else return;
  e.preventDefault();
}

for (const type of ["ready", "camera", "bridge", "site", "event", "status", "sample"]) {
  store.addEventListener(type, ({ detail }) => {
    view.on(type, detail);
    if (type === "status") health();
    if (["camera", "bridge", "site"].includes(type)) changed(type, detail);
    if (["ready", "camera", "bridge", "site", "status"].includes(type)) counts();
    if (type === "ready" || type === "status") titled();
  });
}
store.addEventListener("link", announceLink);
addEventListener("hashchange", route);
addEventListener("keydown", keys);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme());
$("theme").addEventListener("click", () => theme(theme() ? "light" : "dark"));
$("help-open").addEventListener("click", () => $("help").showModal());
$("help-close").addEventListener("click", () => $("help").close());
$("cut-act").addEventListener("click", () => (store.link.state === "refused" ? location.reload() : store.again()));
setInterval(() => {
  if (store.link.state !== "on") linked();
  text($("clock"), clock(now()));
}, 1000);

theme();
route();
linked();
store.start();
