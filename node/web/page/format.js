// What figures, times and states are called on the page. Nothing here touches the page.

const numbers = new Intl.NumberFormat("en-GB");
const clocks = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export const count = (n) => numbers.format(n);

// time is a moment in milliseconds from what the API writes; NaN where it writes none.
export function time(value) {
  const t = Date.parse(value ?? "");
  return t > 0 ? t : NaN;
}

// clock is the time of day, with the day where it is not today's.
export function clock(t, now = Date.now(), fraction = 0) {
  if (!Number.isFinite(t)) return "unknown";
  let said = clocks.format(t);
  if (fraction) said += "." + String(Math.floor(((t % 1000) + 1000) % 1000)).padStart(3, "0").slice(0, fraction);
  return days.format(t) === days.format(now) ? said : `${days.format(t)}, ${said}`;
}

// duration says seconds in at most two units.
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "an unknown time";
  const s = Math.max(0, seconds);
  if (s < 1) return `${Math.round(s * 10) / 10} s`;
  if (s < 60) return `${Math.round(s)} s`;
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const whole = s < 3600 ? Math.round(s) : Math.round(s / 60) * 60;
  const first = units.findIndex(([length]) => whole >= length);
  const [length, unit] = units[first];
  const rest = whole % length;
  const next = units[first + 1];
  const more = next ? Math.floor(rest / next[0]) : 0;
  return `${Math.floor(whole / length)} ${unit}` + (more ? ` ${more} ${next[1]}` : "");
}

export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  for (; n >= 1024 && at < units.length - 1; at++) n /= 1024;
  return `${n >= 100 || at === 0 ? Math.round(n) : n.toFixed(1)} ${units[at]}`;
}

export const fps = (v) => (v >= 100 ? Math.round(v) : (Math.round(v * 10) / 10).toFixed(1));

export const milliseconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : duration(ms / 1000));

// cameraState is what a camera's state is called, and its tone: ok, warn, bad or idle.
export function cameraState(c) {
  if (c.paused) return { word: "paused", tone: "idle" };
  switch (c.state) {
    case "up":
      return c.look && c.look !== "ok" ? { word: `up, picture ${c.look}`, tone: "warn" } : { word: "up", tone: "ok" };
    case "starting":
      return { word: "starting", tone: "idle" };
    case "stalled":
      return { word: "stalled", tone: "warn" };
    case "backoff":
      return { word: "retrying", tone: "bad" };
    case "down":
      return { word: "stopped", tone: "idle" };
  }
  return { word: c.state || "unknown", tone: "idle" };
}

// bridgeState is the same for a bridge's breaker.
export function bridgeState(b) {
  if (b.fault === "held") return { word: "drill: breaker held open", tone: "warn" };
  switch (b.state) {
    case "closed":
      return { word: "delivering (breaker closed)", tone: "ok" };
    case "half-open":
      return { word: "trying (breaker half-open)", tone: "warn" };
    case "open":
      return { word: "waiting (breaker open)", tone: "bad" };
  }
  return { word: b.state || "unknown", tone: "idle" };
}

// linkState is the same for the link of a site.
export function linkState(s) {
  if (!(s.up ?? s.connected)) return { word: "down", tone: "bad" };
  return s.error || s.warning ? { word: "up, with a complaint", tone: "warn" } : { word: "up", tone: "ok" };
}

const told = {
  state: (e) => `is ${e.state === "backoff" ? "retrying" : e.state}`,
  gap: (e) => `lacks ${frames(e.count)}`,
  size: (e) => `sends ${e.width}×${e.height} now`,
  look: (e) => (e.state === "ok" ? "shows a scene again" : `shows nothing: ${e.state}`),
  rejected: (e) => `sent ${frames(e.count)} that were refused`,
  lost: (e) => `lost ${frames(e.count)}`,
  breaker: (e) => `breaker ${e.state}`,
  dead: () => "had a frame refused for good",
  load: (e) => (e.state === "full" ? "the machine is full" : "the machine has room again"),
  cameras: (e) => `${e.active ?? 0} of ${e.cameras ?? 0} cameras deliver`,
  control: () => "changed something by itself",
};

const frames = (n = 0) => `${count(n)} ${n === 1 ? "frame" : "frames"}`;

// eventWords tells an event in words, without its name and time.
export function eventWords(e) {
  let said = (told[e.kind] ?? (() => e.kind))(e);
  if (e.reason && e.kind !== "look") said += ` (${e.reason})`;
  return e.message ? `${said}: ${e.message}` : said;
}

export function eventTone(e) {
  switch (e.kind) {
    case "state":
      return { up: "ok", stalled: "warn", backoff: "bad" }[e.state] ?? "idle";
    case "breaker":
      return { closed: "ok", "half-open": "warn", open: "bad" }[e.state] ?? "idle";
    case "look":
      return e.state === "ok" ? "ok" : "warn";
    case "load":
      return e.state === "full" ? "warn" : "ok";
    case "gap":
    case "rejected":
      return "warn";
    case "lost":
    case "dead":
      return "bad";
  }
  return "idle";
}
