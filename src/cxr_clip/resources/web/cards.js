// One study that was found: its picture where the server has it, its findings, its report.

import { button, element, paragraph, signed } from "./elements.js";

export function card(hit, { likeThis, beside }) {
  const score = element("span", { className: "score", title: "cosine", textContent: signed(hit.score) });
  const facts = [hit.source, hit.split, hit.view ?? hit.kind].filter(Boolean).join(" · ");
  const named = (words) => ({ className: "quiet", "aria-label": `${words} ${hit.study}` });
  return element(
    "article",
    { className: "card", "aria-label": `${hit.rank}. ${hit.study}` },
    pictureOf(hit),
    element(
      "div",
      {},
      element("h3", {}, `${hit.rank}. ${hit.study}`, score),
      paragraph("muted", facts),
      chips(hit.findings),
      hit.report ? paragraph("report", hit.report) : paragraph("muted", "no report"),
      element(
        "div",
        { className: "row" },
        button("Studies like this", () => likeThis(hit), named("Studies like")),
        hit.picture ? button("Show beside", () => beside(hit), named("Show beside the study:")) : null,
      ),
    ),
  );
}

function pictureOf({ picture, study }) {
  if (!picture) return element("div", { className: "no-picture", textContent: "no picture" });
  return element("img", { src: picture, alt: `Picture of ${study}`, loading: "lazy", decoding: "async" });
}

function chips(findings) {
  if (!findings.length) return null;
  const items = findings.map((finding) => element("li", { textContent: finding }));
  return element("ul", { className: "chips", "aria-label": "Findings" }, ...items);
}
