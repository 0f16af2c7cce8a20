// The question to the index: like what, among which studies, how many.

import { element } from "./elements.js";

const WAYS = { images: "Active picture", text: "Sentence", study: "Study" };
const FILTERS = { source: "sources", split: "splits", view: "views", finding: "findings" };
const COUNTS = [5, 10, 20, 50];

export class Question {
  constructor(study, { index, limits }, ask) {
    this.study = study;
    this.text = field("similar-text", "Large left pleural effusion.", limits.text_characters);
    this.number = field("similar-study", "CXR17", limits.text_characters);
    this.picture = element("p", { className: "muted" });
    this.parts = {
      images: this.picture,
      text: element("label", { className: "wide" }, "What a report would say ", this.text),
      study: element("label", { className: "wide" }, "Its number in the index ", this.number),
    };
    const counts = COUNTS.filter((count) => count <= limits.results);
    this.top = element("select", {}, ...counts.map((count) => element("option", { textContent: count })));
    this.top.value = "10";
    this.filters = Object.entries(FILTERS).map(([name, known]) => filter(name, index[known]));
    this.form = this.#form(ask);
    this.form.addEventListener("change", () => this.#show());
    study.addEventListener("change", () => this.#show());
    this.#show();
  }

  get #way() {
    return this.form.querySelector("input[name=by]:checked").value;
  }

  // The fields of a request, or null where nothing is named to look for.
  get fields() {
    const values = { images: this.study.active?.file, text: this.text.value.trim(), study: this.number.value.trim() };
    const asked = values[this.#way];
    if (!asked) return null;
    const chosen = this.filters.map(({ name, values: among }) => [name, among()]);
    return { [this.#way]: asked, top: this.top.value, ...Object.fromEntries(chosen) };
  }

  // Turns the question to one study of the index.
  like(number) {
    this.form.querySelector("input[value=study]").checked = true;
    this.number.value = number;
    this.#show();
    this.number.focus();
  }

  #show() {
    for (const [way, part] of Object.entries(this.parts)) part.hidden = way !== this.#way;
    const { active } = this.study;
    this.picture.textContent = active
      ? `Asks with ${active.file.name}.`
      : "Add a picture first, or ask with a sentence.";
  }

  #form(ask) {
    const onsubmit = (event) => {
      event.preventDefault();
      ask();
    };
    return element(
      "form",
      { className: "question", onsubmit },
      choiceOf(WAYS),
      ...Object.values(this.parts),
      element("div", { className: "filters" }, ...this.filters.map(({ part }) => part)),
      element(
        "div",
        { className: "row" },
        element("label", { className: "field" }, "At most ", this.top),
        element("button", { type: "submit", className: "strong", textContent: "Search" }),
      ),
    );
  }
}

function field(id, placeholder, maxLength) {
  return element("input", { type: "text", id, autocomplete: "off", placeholder, maxLength });
}

function choiceOf(ways) {
  const labels = Object.entries(ways).map(([value, words], place) => {
    const radio = element("input", { type: "radio", name: "by", value, checked: place === 0 });
    return element("label", {}, radio, element("span", { textContent: words }));
  });
  const legend = element("legend", { className: "unseen", textContent: "Look for studies like" });
  return element("fieldset", { className: "choice" }, legend, ...labels);
}

// A list of choices that folds away: any number of them, none means all.
function filter(name, among) {
  const title = name[0].toUpperCase() + name.slice(1);
  const boxes = among.map((value) => element("input", { type: "checkbox", name, value }));
  const values = () => boxes.filter((box) => box.checked).map((box) => box.value);
  const told = element("span", { textContent: "any" });
  const summary = element("summary", {}, `${title}: `, told);
  const labels = boxes.map((box) => element("label", {}, box, ` ${box.value}`));
  const legend = element("legend", { className: "unseen", textContent: title });
  const part = element("details", { className: "filter" }, summary, element("fieldset", {}, legend, ...labels));
  part.addEventListener("change", () => {
    told.textContent = values().join(", ") || "any";
  });
  part.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !part.open) return;
    part.open = false;
    summary.focus();
  });
  return { name, part, values };
}
