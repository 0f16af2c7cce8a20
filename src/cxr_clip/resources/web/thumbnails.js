// The strip of the study's views: which are shown, which could not be read, and files that come in.

import { button, byId, element, plural, say } from "./elements.js";
import { develop } from "./picture.js";

const SIDE = 96;

export function showThumbnails(study, limits) {
  const take = (files) => {
    if (!files.length) return;
    say(study.add([...files], limits()) ?? `Reading ${plural(files.length, "file")}…`);
  };
  const choose = () => byId("files").click();
  byId("choose").addEventListener("click", choose);
  byId("more").addEventListener("click", choose);
  byId("clear").addEventListener("click", () => {
    study.clear();
    byId("choose").focus();
  });
  byId("files").addEventListener("change", ({ target }) => {
    take(target.files);
    target.value = ""; // the same file can be chosen again
  });
  receiveDrops(take);
  study.addEventListener("change", () => draw(study));
}

function receiveDrops(take) {
  const holdsFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
  const body = document.body;
  addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) body.classList.remove("dropping");
  });
  addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    body.classList.remove("dropping");
    take(event.dataTransfer.files);
  });
}

function draw(study) {
  const held = document.activeElement?.id;
  const views = study.views.map((view, number) => thumbnail(study, view, number + 1));
  if (study.leftOut) views.push(element("li", { className: "unread" }, element("p", { textContent: study.leftOut })));
  byId("thumbnails").replaceChildren(...views);
  byId("more").hidden = byId("clear").hidden = !study.views.length;
  if (held?.startsWith("view-")) byId(held)?.focus(); // who uses keys stays where they are
}

function thumbnail(study, view, number) {
  const remove = element("button", {
    type: "button",
    className: "remove",
    id: `view-${view.id}-remove`,
    textContent: "×",
    "aria-label": `Remove ${view.file.name}`,
    onclick: () => {
      study.remove(view);
      (byId("thumbnails").querySelector("button") ?? byId("choose")).focus();
    },
  });
  if (view.error) return unread(study, view, remove);
  const show = element(
    "button",
    {
      type: "button",
      id: `view-${view.id}`,
      className: view === study.active ? "view active" : "view",
      disabled: !view.picture,
      "aria-pressed": String(view.shown),
      "aria-label": `${view.file.name}, view ${number}: ${view.picture ? "show" : "is being read"}`,
      onclick: () => {
        const refused = study.toggle(view);
        if (refused) say(refused);
      },
    },
    view.picture ? small(view) : element("span", { className: "waiting" }),
    element("span", { className: "name", textContent: `${number} ${shortened(view.file.name)}` }),
  );
  return element("li", {}, show, remove);
}

// The end of a name tells views apart.
function shortened(name) {
  const stem = name.replace(/\.[a-z]+$/i, "");
  return stem.length > 9 ? `…${stem.slice(-8)}` : stem;
}

// A file that is no picture stays none: only what may pass is tried again.
function unread(study, view, remove) {
  const name = element("strong", { textContent: view.file.name });
  const reason = view.error.message.replace(/^picture 0/, ""); // it was asked about alone
  const between = reason === view.error.message ? ": " : "";
  const again = button("Try again", () => study.retry(view), { id: `view-${view.id}-retry` });
  const told = element("p", { role: "alert" }, name, between, reason);
  return element("li", { className: "unread" }, told, view.error.mayPass ? again : null, remove);
}

// The picture as stored, drawn once and kept with the view.
function small(view) {
  if (view.small) return view.small;
  const copy = view.picture.copyFor(SIDE);
  const canvas = element("canvas", { width: copy.columns, height: copy.rows, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(copy.columns, copy.rows);
  develop(copy, { ...view.picture.stored, inverted: false }, pixels);
  context.putImageData(pixels, 0, 0);
  view.small = canvas;
  return canvas;
}
