// The node's HTTP API: addresses, questions, the node's clock.

// The address without a name and password that may stand in it, for none may be asked with those.
const base = new URL("api/v1/", location.origin + location.pathname);
let refused = () => {};
let denied = null; // the answer of a node that wants other credentials: it is not asked again, for each time the browser would ask for them

// Problem is an answer that says no, in the API's own words.
export class Problem extends Error {
  constructor(status, detail, after) {
    super(detail);
    this.status = status;
    this.after = after; // seconds to wait before asking again, where the node says so
  }
}

// whenRefused is called when the node wants other credentials.
export function whenRefused(f) {
  refused = f;
}

// url is the address of a path of the API; values of the query that are undefined are left out.
export function url(path, query = {}) {
  const u = new URL(path, base);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) u.searchParams.set(name, value);
  return u.href;
}

// fetched asks and returns the answer, or throws a Problem.
export async function fetched(path, { query, ...options } = {}) {
  if (denied) throw denied;
  const answer = await fetch(url(path, query), { cache: "no-store", credentials: "same-origin", ...options });
  if (answer.ok || answer.status === 304) return answer;
  let detail = `${answer.status} ${answer.statusText}`;
  try {
    const words = await answer.json();
    detail = words.detail || words.title || detail;
  } catch {
    // It has no words of its own.
  }
  const problem = new Problem(answer.status, detail, Number(answer.headers.get("Retry-After")) || 0);
  if (answer.status === 401) {
    denied = problem;
    refused();
  }
  throw problem;
}

export async function get(path, query, signal) {
  return (await fetched(path, { query, signal })).json();
}

// act changes something at the node.
export async function act(path, method = "POST", body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  await fetched(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
}

// The node's clock, as far as it can be known from here: pictures carry its time, and this machine's may be another.
const clockOf = { ahead: 0, trip: Infinity, at: 0 };

// heard tells that the node's clock showed t while a question was on its way. The shortest way of the last minutes counts.
export function heard(t, sent, received) {
  const trip = received - sent;
  if (!Number.isFinite(t) || (trip > clockOf.trip && received - clockOf.at < 300_000)) return;
  Object.assign(clockOf, { ahead: t - (sent + received) / 2, trip, at: received });
}

// now is the node's time.
export const now = () => Date.now() + clockOf.ahead;
