// The study on the page: its files, the pictures read from them, and which stand side by side.

import { Newest, ask, formOf } from "./requests.js";
import { pictureOf } from "./picture.js";

export const BESIDE = 4;

export class Study extends EventTarget {
  views = [];
  active = null;
  leftOut = null; // a sentence about files that were not taken, the last time that some came
  #count = 0;

  // The views of the patient: not what was laid beside them to compare.
  get own() {
    return this.views.filter((view) => !view.compared);
  }

  // Those of them whose file the server could read, in their order.
  get readable() {
    return this.own.filter((view) => view.picture);
  }

  get shown() {
    return this.views.filter((view) => view.shown && view.picture);
  }

  get settled() {
    return this.own.every((view) => view.picture || view.error);
  }

  // Takes files up to what the server allows; returns a sentence about those that were left out, or null.
  add(files, limits) {
    const left = [];
    for (const file of files) {
      if (this.own.length >= limits.files) left.push(`a study has at most ${limits.files} pictures`);
      else if (file.size > limits.file_bytes) left.push(`${file.name} is larger than ${megabytes(limits.file_bytes)}`);
      else this.views.push(this.#viewOf(file));
    }
    this.leftOut = left.length ? `Left out: ${[...new Set(left)].join("; ")}.` : null;
    this.#tell("files");
    this.#readNext();
    return this.leftOut;
  }

  // Lays the picture of another study beside the views; the model is not asked about it.
  compare(file) {
    this.views.push({ ...this.#viewOf(file), compared: true });
    this.#tell("files");
    this.#readNext();
  }

  #viewOf(file) {
    const reading = new Newest();
    return { id: ++this.#count, file, picture: null, error: null, shown: false, compared: false, reading };
  }

  remove(view) {
    view.reading.cancel();
    this.leftOut = null;
    this.views = this.views.filter((one) => one !== view);
    if (this.active === view) this.active = this.shown[0] ?? null;
    this.#tell("files");
    this.#readNext();
  }

  clear() {
    this.views.forEach((view) => view.reading.cancel());
    this.views = [];
    this.active = null;
    this.leftOut = null;
    this.#tell("files");
  }

  activate(view) {
    if (this.active === view) return;
    this.active = view;
    this.#tell("active");
  }

  // Shows a view beside the others, or takes it from the stage; returns a sentence where that cannot be.
  toggle(view) {
    if (!view.shown && this.shown.length >= BESIDE)
      return `At most ${BESIDE} views stand side by side: take one away first.`;
    view.shown = !view.shown;
    if (view.shown) this.active = view;
    else if (this.active === view) this.active = this.shown[0] ?? null;
    this.#tell("shown");
    return null;
  }

  retry(view) {
    view.error = null;
    this.#tell("files");
    this.#readNext();
  }

  // One picture after the other: the server's queue is for all.
  #readNext() {
    if (this.views.some((view) => view.beingRead)) return;
    const view = this.views.find((one) => !one.picture && !one.error);
    if (!view) return;
    view.beingRead = true;
    const ended = (values) => {
      Object.assign(view, values, { beingRead: false });
      if (view.picture && this.shown.length < BESIDE) view.shown = true;
      if (view.shown) this.active ??= view;
      if (this.views.includes(view)) this.#tell("files");
      this.#readNext();
    };
    view.reading.run(
      async (signal) => pictureOf(await ask("/api/picture", { form: formOf({ images: view.file }), signal })),
      {
        then: (picture) => ended({ picture }),
        otherwise: (error) => ended({ error }),
      },
    );
  }

  #tell(what) {
    this.dispatchEvent(new CustomEvent("change", { detail: what }));
  }
}

const megabytes = (bytes) => `${Math.round(bytes / 2 ** 20)} MiB`;
