// Questions to the page's own server: refusals in its own sentence, and no older answer over a newer one.

export class Refused extends Error {
  constructor(sentence, { status = null, offline = false } = {}) {
    super(sentence);
    this.status = status;
    this.offline = offline;
  }

  // Whether the same question may be answered later: the server was gone, busy or broken.
  get mayPass() {
    return this.offline || this.status >= 429;
  }
}

const listeners = new Set();

// Calls `act(offline)` after every answer of the server, and when none comes.
export function whenReached(act) {
  listeners.add(act);
}

// Asks the server: with a form, POST; without, GET. Throws Refused, or AbortError where `signal` says so.
export async function ask(path, { form = null, signal = null } = {}) {
  let response;
  try {
    response = await fetch(path, { method: form ? "POST" : "GET", body: form, signal, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    listeners.forEach((act) => act(true));
    throw new Refused("The server does not answer: see whether `cxr-clip serve` still runs, then try again.", {
      offline: true,
    });
  }
  listeners.forEach((act) => act(false));
  if (!response.ok) throw new Refused(await sentenceOf(response), { status: response.status });
  return response;
}

async function sentenceOf(response) {
  try {
    const { error } = await response.json();
    if (typeof error === "string" && error) return error;
  } catch {
    // no JSON: something between page and server has answered
  }
  return `The server answered ${response.status} without saying why: look at its log, then try again.`;
}

// A form of repeated fields: lists give a field for each of their values.
export function formOf(fields) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one instanceof File) form.append(name, one, one.name);
      else if (one !== null && one !== undefined && one !== "") form.append(name, one);
    }
  }
  return form;
}

// Of several questions the newest counts: the one before is cancelled, and what it still answers is thrown away.
export class Newest {
  #current = null;

  // Does `work(signal)`; `then(answer)` and `otherwise(error)` are called only where nothing newer was asked meanwhile.
  async run(work, { then, otherwise }) {
    this.cancel();
    const controller = new AbortController();
    this.#current = controller;
    const counts = () => this.#current === controller;
    let answer;
    try {
      answer = await work(controller.signal);
    } catch (error) {
      if (counts() && error.name !== "AbortError") this.#settle(() => otherwise(error));
      return;
    }
    if (counts()) this.#settle(() => then(answer));
  }

  #settle(act) {
    this.#current = null;
    act();
  }

  cancel() {
    this.#current?.abort();
    this.#current = null;
  }
}
