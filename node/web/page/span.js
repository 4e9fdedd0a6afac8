// The arithmetic of the timeline, in milliseconds. Nothing here touches the page.

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const STEPS = [1, 2, 5, 10, 15, 30].map((n) => n * SECOND).concat([1, 2, 5, 10, 15, 30].map((n) => n * MINUTE), [1, 2, 3, 6, 12].map((n) => n * HOUR),
  [1, 2, 7].map((n) => n * DAY));
const SMALLEST = 5 * SECOND; // the closest view

// segments are the stretches in which pictures are held, from the times of pictures taken every so often. Between two stretches pictures are
// missing for longer than the step and usual explain.
export function segments(times, every, usual = 0) {
  const gap = Math.max(1.9 * every + 1.5 * usual, 4 * usual, 2 * SECOND);
  const all = [];
  for (const t of times) {
    const last = all.at(-1);
    if (last && t - last[1] <= gap) last[1] = Math.max(last[1], t);
    else all.push([t, t]);
  }
  return all;
}

// gaps are what lies between stretches.
export const gaps = (all) => all.slice(1).map((s, i) => [all[i][1], s[0]]);

// fit moves and shortens a view until it lies within the whole.
export function fit([from, to], [first, last]) {
  const length = Math.min(Math.max(to - from, Math.min(SMALLEST, last - first)), last - first);
  const start = Math.min(Math.max(from, first), last - length);
  return [start, start + length];
}

// zoomed makes a view longer or shorter around a moment.
export const zoomed = ([from, to], whole, factor, at) => fit([at - (at - from) * factor, at + (to - at) * factor], whole);

export const panned = ([from, to], whole, by) => fit([from + by, to + by], whole);

// ticks are the round local times to write below a view of so many pixels, at least gap pixels apart.
export function ticks([from, to], pixels, gap = 90, zone = (t) => new Date(t).getTimezoneOffset() * MINUTE) {
  const least = ((to - from) * gap) / Math.max(1, pixels);
  const step = STEPS.find((s) => s >= least) ?? STEPS.at(-1);
  const offset = zone(from);
  const all = [];
  for (let t = Math.ceil((from - offset) / step) * step + offset; t <= to; t += step) all.push(t);
  return { step, all };
}

// label is a tick in words, as short as the step allows.
export function label(t, step) {
  const d = new Date(t);
  const two = (n) => String(n).padStart(2, "0");
  if (step >= DAY || (step >= HOUR && d.getHours() === 0)) return d.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return `${two(d.getHours())}:${two(d.getMinutes())}` + (step < MINUTE ? `:${two(d.getSeconds())}` : "");
}
