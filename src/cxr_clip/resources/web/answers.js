// The model is asked about the study: one question at a time, the newest counts.

import { Newest, ask, formOf } from "./requests.js";

// `state` is one of {kind: "empty" | "reading" | "asking" | "answered" | "refused"}, with what belongs to it.
export class Answers extends EventTarget {
  #newest = new Newest();
  #askedOf = "";
  state = { kind: "empty" };
  stale = false;

  constructor(study, questions) {
    super();
    this.study = study;
    this.questions = questions;
    study.addEventListener("change", () => this.#studyChanged());
    questions.addEventListener("change", () => {
      this.stale = this.state.kind === "answered" && this.#key() !== this.#askedOf;
      this.#tell();
    });
  }

  #key() {
    return JSON.stringify([this.study.readable.map((view) => view.id), this.questions.field]);
  }

  #studyChanged() {
    const { readable, settled, own } = this.study;
    const ids = JSON.stringify(readable.map((view) => view.id));
    if (!settled) this.#become({ kind: "reading" });
    else if (!readable.length) this.#become({ kind: own.length ? "unreadable" : "empty" });
    else if (this.state.ids !== ids) this.ask();
  }

  ask() {
    const views = this.study.readable;
    if (!views.length) return;
    const ids = JSON.stringify(views.map((view) => view.id));
    const { unfinished, asked, field } = this.questions;
    if (!this.questions.items.length) return this.#become({ kind: "reading" }); // the model is still being asked for
    if (!asked.length)
      return this.#become({
        kind: "refused",
        ids,
        error: new Error("Nothing is asked: choose a finding among the prompts."),
      });
    if (unfinished)
      return this.#become({
        kind: "refused",
        ids,
        error: new Error(`${unfinished.finding} has no positive prompt: write one, or leave it out.`),
      });
    this.#askedOf = this.#key();
    this.#become({ kind: "asking", ids });
    this.#newest.run(
      async (signal) =>
        (
          await ask("/api/classify", {
            form: formOf({ images: views.map((view) => view.file), findings: field }),
            signal,
          })
        ).json(),
      {
        then: (answer) => this.#become({ kind: "answered", ids, views, answer }),
        otherwise: (error) => this.#become({ kind: "refused", ids, error }),
      },
    );
  }

  #become(state) {
    if (state.kind !== "asking" && state.kind !== "answered") this.#newest.cancel();
    this.state = state;
    this.stale = state.kind === "answered" && this.#key() !== this.#askedOf;
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
