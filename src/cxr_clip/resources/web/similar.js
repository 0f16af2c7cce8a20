// The panel of similar studies: a question to the index, and the cards of what was found.

import { card } from "./cards.js";
import { byId, element, paragraph, refusal, say } from "./elements.js";
import { Question } from "./question.js";
import { Newest, ask, formOf } from "./requests.js";

const NO_INDEX =
  "This server has no index of studies. Make one with `cxr-clip embed` and `cxr-clip index build`, " +
  "and name it when you start `cxr-clip serve`.";
const NOTHING_NAMED = "Say first what to look for: a picture, a sentence or a study.";

export function showSimilar(study, model) {
  const panel = byId("similar");
  if (!model.index) return panel.replaceChildren(paragraph("hint", NO_INDEX));
  const newest = new Newest();
  const question = new Question(study, model, search);
  const results = element("div", { className: "hits" });
  const count = model.index.entries.toLocaleString("en");
  const note = `${count} entries in the index. What is nearest in the model's space need not have the same findings.`;
  panel.replaceChildren(question.form, paragraph("note", note), results);

  function show(...children) {
    panel.setAttribute("aria-busy", "false");
    results.classList.remove("old");
    results.replaceChildren(...children);
  }

  function search() {
    const { fields } = question;
    if (!fields) return show(element("p", { className: "wrong", role: "alert", textContent: NOTHING_NAMED }));
    panel.setAttribute("aria-busy", "true");
    results.classList.add("old");
    return newest.run(async (signal) => (await ask("/api/search", { form: formOf(fields), signal })).json(), {
      then: ({ hits }) => show(...found(hits)),
      otherwise: (error) => show(refusal(error, search)),
    });
  }

  function found(hits) {
    say(hits.length === 1 ? "One study found." : `${hits.length} studies found, nearest first.`);
    if (!hits.length) return [paragraph("hint", "No study of the index fits the filters.")];
    return hits.map((hit) => card(hit, { likeThis, beside }));
  }

  // The picture comes from the server as a file does from a disk.
  async function beside(hit) {
    try {
      const picture = await (await ask(hit.picture)).blob();
      study.compare(new File([picture], `${hit.study} (index).png`, { type: picture.type }));
      say(`${hit.study} is laid beside the study.`);
    } catch (error) {
      say(error.message);
    }
  }

  function likeThis(hit) {
    question.like(hit.study);
    search();
  }
  return null;
}
