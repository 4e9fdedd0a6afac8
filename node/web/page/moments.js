// Moments fetches pictures of the past, one at a time; of those asked for meanwhile the last alone, so that dragging never queues.

import { fetched } from "./api.js";
import { time } from "./format.js";

export class Moments {
  #next = null;
  #busy = false;
  #abort = new AbortController();

  constructor(ref, got, missing) {
    this.path = `cameras/${encodeURIComponent(ref)}/snapshot.jpg`;
    this.got = got;
    this.missing = missing;
  }

  stop() {
    this.#next = null;
    this.#abort.abort();
  }

  get busy() {
    return this.#busy;
  }

  // want asks for the picture of a moment in milliseconds.
  want(at, width) {
    this.#next = { at, width };
    if (!this.#busy) this.#run(this.#abort.signal);
  }

  async #run(signal) {
    this.#busy = true;
    while (this.#next && !signal.aborted) {
      const { at, width } = this.#next;
      this.#next = null;
      try {
        const answer = await fetched(this.path, { query: { at: stamp(at), width }, signal });
        const bitmap = await createImageBitmap(await answer.blob());
        const said = answer.headers.get("Frame-Captured");
        if (!signal.aborted) this.got(bitmap, { asked: at, captured: time(said), said });
        bitmap.close();
      } catch (e) {
        if (!signal.aborted) this.missing(e, at);
      }
    }
    this.#busy = false;
  }
}

// stamp writes a moment as the API reads it, to the microsecond, for frames are told apart by them.
export function stamp(ms) {
  const whole = Math.floor(ms);
  const micros = Math.min(999, Math.round((ms - whole) * 1000));
  return new Date(whole).toISOString().replace("Z", String(micros).padStart(3, "0") + "Z");
}

// exact is a moment in milliseconds with the microseconds that Date.parse leaves out.
export function exact(said) {
  const fraction = /\.(\d+)Z$/.exec(said ?? "")?.[1] ?? "";
  return Date.parse(said) + Number("0." + (fraction.slice(3) || "0"));
}
