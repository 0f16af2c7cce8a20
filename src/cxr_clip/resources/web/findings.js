// The panel of findings: whose scores, in which order, and what is said instead where the model abstains.

import { button, byId, element, paragraph, plural, refusal, say } from "./elements.js";
import { axisOf, scoreRow } from "./scores.js";

const WORDS = {
  empty: "Findings appear here once there is a picture.",
  reading: "Reading pictures…",
  unreadable: "None of the files could be read as a picture.",
};

const ORDERS = { list: "as listed", score: "by score" };
const NOTE =
  "Choose a finding to see where in the active picture its words are supported. " +
  "Scores of different findings do not compare: their order is no order of likelihood.";
const ABSTAINS = "No finding is scored here: a score of a picture that the model does not know would mean nothing.";

export function showFindings(answers, evidence) {
  const chosen = { of: "study", order: "list" };
  const draw = () => {
    const { state } = answers;
    const panel = byId("findings");
    panel.setAttribute("aria-busy", state.kind === "reading" || state.kind === "asking");
    panel.classList.remove("old");
    if (state.kind === "asking") return waiting(panel);
    if (state.kind === "refused") return panel.replaceChildren(refusal(state.error, () => answers.ask()));
    if (state.kind !== "answered") return panel.replaceChildren(paragraph("hint", WORDS[state.kind]));
    if (chosen.of !== "study" && !state.views.some((view) => String(view.id) === chosen.of)) chosen.of = "study";
    const held = document.activeElement?.id;
    panel.replaceChildren(...answered(answers, evidence, chosen, draw));
    if (held) panel.querySelector(`#${CSS.escape(held)}`)?.focus();
    return null;
  };
  let told = null;
  answers.addEventListener("change", () => {
    draw();
    if (answers.state.kind === "answered" && answers.state !== told) say(summary(answers.state));
    if (answers.state.kind === "unreadable") say(WORDS.unreadable);
    if (answers.state.kind === "refused") say(""); // the refusal is an alert of its own
    told = answers.state;
  });
  evidence.addEventListener("change", draw);
  draw();
}

// What was there stays to be read, paler, until the new answer comes.
function waiting(panel) {
  if (!panel.querySelector(".scores")) return panel.replaceChildren(paragraph("hint", "Asking the model…"));
  return panel.classList.add("old");
}

function summary({ views, answer: { study } }) {
  if (study.abstained.length) return `The model abstains: ${named(study.abstained, views).join("; ")}.`;
  return `${plural(study.findings.length, "finding")} from ${plural(study.images, "picture")}.`;
}

function answered(answers, evidence, chosen, draw) {
  const { views, answer } = answers.state;
  const place = views.findIndex((view) => String(view.id) === chosen.of);
  const shown = place < 0 ? answer.study : answer.images[place];
  const head = element(
    "div",
    { className: "head" },
    choice("of", "Of", subjects(views, answer), chosen, draw),
    choice("order", "Order", Object.entries(ORDERS), chosen, draw),
  );
  const top = answers.stale ? [head, changed(answers)] : [head];
  const reasons = named(shown.abstained, views);
  if (reasons.length) return [...top, abstention(views[place]?.file.name ?? "the study", reasons)];
  const beside = place < 0 && views.length > 1 ? answer.images : [];
  const rows = [...shown.findings];
  if (chosen.order === "score") rows.sort((one, other) => other.score - one.score);
  const axis = axisOf([shown, ...beside]);
  const list = rows.map((row) =>
    scoreRow(row, {
      axis,
      beside: beside.map((image) => image.findings.find((one) => one.finding === row.finding)),
      evidence,
      item: answers.questions.named(row.finding),
    }),
  );
  const scores = element("ol", { className: "scores" }, ...list);
  return [...top, caption(rows, beside), axis.ruler, scores, paragraph("note", NOTE), save(answer)];
}

function changed(answers) {
  const again = button("Ask again", () => answers.ask(), { className: "strong" });
  return element("div", { className: "stale", role: "status" }, paragraph("", "Prompts have changed since."), again);
}

function subjects(views, answer) {
  const counted = `the study (${plural(answer.study.images, "picture")} of ${views.length})`;
  const study = ["study", views.length > 1 ? counted : "the study"];
  return [study, ...views.map((view, place) => [String(view.id), `${place + 1}: ${view.file.name}`])];
}

function choice(name, words, options, chosen, draw) {
  const select = element("select", {
    id: `findings-${name}`,
    onchange: () => {
      chosen[name] = select.value;
      draw();
    },
  });
  select.append(...options.map(([value, textContent]) => element("option", { value, textContent })));
  select.value = chosen[name];
  return element("label", { className: "field" }, `${words} `, select);
}

function caption(rows, beside) {
  const calibrated = rows.filter((row) => row.probability).length;
  const similar = `${calibrated ? "Hatched bars: score, a" : "Score: a"} similarity, not a probability.`;
  const words = [];
  if (calibrated) words.push("Full bars: probability, with its 95 % interval; beside it what the prediction set says.");
  if (calibrated < rows.length) words.push(similar);
  if (beside.length) words.push("Ticks: each picture alone.");
  return paragraph("caption", words.join(" "));
}

// The server counts the pictures of a request from 0; people see names.
function named(reasons, views) {
  return reasons.map((reason) => reason.replace(/^picture (\d+)(?=:)/, (words, place) => views[place]?.file.name ?? words));
}

function abstention(whose, reasons) {
  const listed = reasons.map((reason) => element("li", { textContent: reason }));
  const title = element("h3", { textContent: `The model abstains on ${whose}` });
  return element("div", { className: "abstained" }, title, element("ul", {}, ...listed), paragraph("", ABSTAINS));
}

// The answer as the server gave it, as a file of the reader's own machine.
function save(answer) {
  const write = () => {
    const address = URL.createObjectURL(new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" }));
    element("a", { href: address, download: "findings.json" }).click();
    setTimeout(() => URL.revokeObjectURL(address));
  };
  return button("Save JSON", write, { id: "findings-save" });
}
