// Streams cut into what they carry: server-sent events, and the pictures of multipart/x-mixed-replace. Nothing here touches the page.

// Events cuts text/event-stream. Comments come out as { comment }, so that silence can be told from quiet.
export class Events {
  #decoder = new TextDecoder();
  #rest = "";
  #event = {};

  feed(chunk) {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r/);
    this.#rest = lines.pop();
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line) {
    if (line === "") {
      const e = this.#event;
      this.#event = {};
      return e.data === undefined ? [] : [{ type: e.type ?? "message", id: e.id, data: e.data }];
    }
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "") return [{ comment: value }];
    if (field === "event") this.#event.type = value;
    else if (field === "id") this.#event.id = value;
    else if (field === "data") this.#event.data = this.#event.data === undefined ? value : `${this.#event.data}\n${value}`;
    return [];
  }
}

// The headers of a part end within this many bytes, and no picture is larger than this: a stream beyond it is none.
const MOST_HEADER = 16 << 10;
const MOST_PICTURE = 64 << 20;

// Parts cuts a multipart stream by Content-Length, which every part must have, into { headers: Map, body: Uint8Array }.
export class Parts {
  #buffer = new Uint8Array(1 << 16);
  #length = 0;
  #headers = null;

  feed(chunk) {
    this.#append(chunk);
    const parts = [];
    let from = 0;
    for (;;) {
      if (!this.#headers) {
        const end = this.#headerEnd(from);
        if (end < 0) break;
        this.#headers = headersOf(new TextDecoder("latin1").decode(this.#buffer.subarray(from, end)));
        from = end + 4;
      }
      const size = Number(this.#headers.get("content-length"));
      if (!(size >= 0 && size <= MOST_PICTURE)) throw new Error("a part of the live stream has no usable Content-Length");
      if (this.#length - from < size) break;
      parts.push({ headers: this.#headers, body: this.#buffer.slice(from, from + size) });
      from += size;
      this.#headers = null;
    }
    this.#buffer.copyWithin(0, from, this.#length);
    this.#length -= from;
    return parts;
  }

  #append(chunk) {
    const need = this.#length + chunk.length;
    if (need > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(need, 2 * this.#buffer.length));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = need;
  }

  // headerEnd is where the empty line begins behind the headers of the next part, -1 where it has not come yet.
  #headerEnd(from) {
    const b = this.#buffer;
    for (let i = from; i + 3 < this.#length; i++) {
      // The blank line between a body and the next boundary ends no headers.
      if (b[i] === 13 && b[i + 1] === 10 && b[i + 2] === 13 && b[i + 3] === 10 && i > from) return i;
    }
    if (this.#length - from > MOST_HEADER) throw new Error("the live stream is not one of pictures");
    return -1;
  }
}

function headersOf(lines) {
  const headers = new Map();
  for (const line of lines.split("\r\n")) {
    const at = line.indexOf(":");
    if (at > 0) headers.set(line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim());
  }
  return headers;
}
