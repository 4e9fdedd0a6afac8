// Live follows a camera's live pictures, and connects again by itself. It says when each was captured, so that none is taken for newer.

import { fetched } from "./api.js";
import { time } from "./format.js";
import { Parts } from "./parse.js";

const FPS = 15; // of video, where fewer would do
const SILENCE = 12_000; // a stream that sends nothing is asked for anew

export class Live {
  #abort = new AbortController();

  // got is called with a bitmap, which is closed behind it, and with when the picture was captured and stored.
  constructor(ref, width, got) {
    this.path = `cameras/${encodeURIComponent(ref)}/live.mjpeg`;
    this.query = { width, fps: FPS };
    this.got = got;
    this.#run(this.#abort.signal);
  }

  stop() {
    this.#abort.abort();
  }

  async #run(signal) {
    for (let wait = 500; !signal.aborted; wait = Math.min(2 * wait, 8000)) {
      try {
        await this.#follow(signal, () => (wait = 500));
      } catch (e) {
        if (e.status === 401) return;
        // The picture grows old meanwhile, which is told.
      }
      await new Promise((resolve) => setTimeout(resolve, signal.aborted ? 0 : wait));
    }
  }

  async #follow(signal, worked) {
    const own = new AbortController();
    const end = () => own.abort();
    signal.addEventListener("abort", end);
    let timer = setTimeout(end, SILENCE);
    try {
      const answer = await fetched(this.path, { query: this.query, signal: own.signal });
      const parts = new Parts();
      const reader = answer.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const part = parts.feed(value).at(-1); // those before it are older
        if (!part) continue;
        clearTimeout(timer);
        timer = setTimeout(end, SILENCE);
        await this.#show(part, signal);
        worked();
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      own.abort();
    }
  }

  async #show({ headers, body }, signal) {
    const bitmap = await createImageBitmap(new Blob([body], { type: "image/jpeg" }));
    if (!signal.aborted) this.got(bitmap, { captured: time(headers.get("frame-captured")), stored: time(headers.get("stream-time")) });
    bitmap.close();
  }
}
