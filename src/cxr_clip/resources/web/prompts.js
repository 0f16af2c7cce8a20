// The panel of prompts: what is asked, in which words; sentences of one's own.

import { button, byId, element, paragraph, plural, say } from "./elements.js";

const NOTE =
  "A score is the similarity with the positive prompts minus that with the negative ones; of a sentence, which has " +
  "no other side, the similarity alone. Probabilities hold for the prompts that were calibrated, not for edited ones.";

export function showPrompts(questions, { limits, askAgain }) {
  const sentence = element("input", {
    type: "text",
    id: "sentence",
    autocomplete: "off",
    placeholder: "There is a left chest tube.",
  });
  const wrong = element("p", { className: "wrong", role: "alert", hidden: true });
  const form = element(
    "form",
    {
      className: "own",
      onsubmit: (event) => {
        event.preventDefault();
        const refused = questions.add(sentence.value.trim(), limits());
        wrong.hidden = !refused;
        wrong.textContent = refused ?? "";
        if (refused) return;
        say(`Added: ${sentence.value.trim()}`);
        sentence.value = "";
        askAgain();
      },
    },
    element("label", { htmlFor: "sentence", textContent: "A sentence of your own" }),
    element("div", { className: "row" }, sentence, element("button", { type: "submit", textContent: "Ask" })),
    wrong,
  );
  const count = element("p", { className: "muted" });
  const all = (asked, words) => button(words, () => questions.askAll(asked));
  const head = element("div", { className: "head" }, count, all(true, "All"), all(false, "None"));
  const again = button("Ask with these prompts", askAgain, { className: "strong" });
  const list = element("ul", { className: "prompts" });
  byId("prompts").replaceChildren(
    form,
    paragraph("note", NOTE),
    head,
    list,
    element("div", { className: "foot" }, again),
  );
  const rows = new Map();
  const draw = () => {
    count.textContent = `${plural(questions.asked.length, "finding")} of ${questions.items.length} asked`;
    for (const item of questions.items) {
      if (!rows.has(item)) rows.set(item, promptRow(questions, item));
      rows.get(item).show();
    }
    const wanted = questions.items.map((item) => rows.get(item).row);
    // Only what changed is touched, so that a field keeps its focus.
    if (wanted.length !== list.children.length || wanted.some((row, place) => list.children[place] !== row))
      list.replaceChildren(...wanted);
  };
  questions.addEventListener("change", draw);
  draw();
}

function promptRow(questions, item) {
  const asked = element("input", {
    type: "checkbox",
    "aria-label": `Ask ${item.finding}`,
    onchange: () => questions.ask(item, asked.checked),
  });
  const state = element("span", { className: "state" });
  const box = (side) =>
    element("textarea", {
      rows: 2,
      spellcheck: true,
      onchange: edit,
      "aria-label": `${side} prompts of ${item.finding}, one a line`,
    });
  function edit() {
    questions.edit(item, { positive: positive.value, negative: negative.value });
  }
  const positive = box("Positive");
  const negative = box("Negative");
  const undo = item.stored ? button("As the model has them", () => questions.reset(item)) : button("Remove", remove);
  function remove() {
    questions.remove(item);
    byId("sentence").focus();
  }
  const more = element(
    "details",
    {},
    element("summary", {}, element("span", { textContent: item.finding }), state),
    element("label", {}, "Positive, one a line", positive),
    element("label", {}, "Negative, one a line", negative),
    undo,
  );
  const row = element("li", {}, asked, more);
  return {
    row,
    show() {
      asked.checked = item.asked;
      positive.value = item.positive.join("\n");
      negative.value = item.negative.join("\n");
      state.textContent = item.stored ? (questions.edited(item) ? "edited" : "") : "own";
      if (item.stored) undo.disabled = !questions.edited(item);
    },
  };
}
