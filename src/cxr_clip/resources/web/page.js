// The page of `cxr-clip serve`: its parts, joined.

import { Answers } from "./answers.js";
import { byId, element, refusal } from "./elements.js";
import { Evidence } from "./evidence.js";
import { showFindings } from "./findings.js";
import { showPrompts } from "./prompts.js";
import { Questions } from "./questions.js";
import { ask, whenReached } from "./requests.js";
import { showSimilar } from "./similar.js";
import { Study } from "./study.js";
import { joinTabs } from "./tabs.js";
import { showThumbnails } from "./thumbnails.js";
import { Viewer } from "./viewer.js";

const NO_LIMITS = { file_bytes: Infinity, files: Infinity, texts: Infinity, text_characters: Infinity };

const study = new Study();
const questions = new Questions();
const viewer = new Viewer(study);
const evidence = new Evidence(study, viewer);
const answers = new Answers(study, questions);
const open = joinTabs(document.querySelector("[role=tablist]"));
let model = null;
const limits = () => model?.limits ?? NO_LIMITS;

showThumbnails(study, limits);
showFindings(answers, evidence);
showPrompts(questions, {
  limits,
  askAgain: () => {
    if (!study.readable.length) return;
    answers.ask();
    open("tab-findings");
  },
});

whenReached((offline) => {
  byId("offline").hidden = !offline;
});
byId("offline").querySelector("p").textContent = "The server does not answer: see whether `cxr-clip serve` still runs.";
byId("offline")
  .querySelector("button")
  .addEventListener("click", () => (model ? ask("/health").catch(() => {}) : meet()));

// Asks which model answers here: its findings, its limits, its index.
async function meet() {
  try {
    model = await (await ask("/api/model")).json();
  } catch (error) {
    byId("similar").replaceChildren(refusal(error, meet));
    byId("model").textContent = "No model yet";
    return;
  }
  byId("model").replaceChildren(
    element("span", { textContent: model.title || model.name }),
    element("small", { textContent: factsOf(model) }),
  );
  byId("notice").textContent = model.notice;
  document.title = `${model.title || model.name} · CXR-CLIP`;
  questions.fill(model.findings);
  showSimilar(study, model);
  answers.ask();
}

function factsOf({ name, calibrated, abstains, index }) {
  const facts = [
    name,
    calibrated ? "calibrated" : "not calibrated",
    abstains ? "abstains on unlike pictures" : "no reference of pictures that it knows",
  ];
  return [...facts, index ? `${index.entries.toLocaleString("en")} indexed` : "no index"].join(" · ");
}

meet();
