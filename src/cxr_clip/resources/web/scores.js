// One finding in one line: its name, its bar, its figures.

import { element, signed } from "./elements.js";

const LEAST = 0.05;

// The scale on which scores of these classifications are drawn: the same to both sides of nothing.
export function axisOf(classifications) {
  const scores = classifications.flatMap((one) => one.findings.map((finding) => Math.abs(finding.score)));
  const end = Math.ceil(Math.max(LEAST, ...scores) * 20) / 20;
  const mixed = classifications[0].findings.some((one) => one.probability);
  const plain = classifications[0].findings.some((one) => !one.probability);
  const label = (words) => element("span", { textContent: words });
  const marks = [
    plain ? element("div", {}, label(`−${end.toFixed(2)}`), label("score 0"), label(`+${end.toFixed(2)}`)) : null,
    mixed ? element("div", {}, label("0 %"), label("50 %"), label("100 %")) : null,
  ];
  const ruler = element(
    "div",
    { className: "ruler", "aria-hidden": "true" },
    element("div", { className: "marks" }, ...marks.filter(Boolean)),
  );
  return { ruler, of: ({ score, probability }) => (probability ? probability.value : 0.5 + score / (2 * end)) };
}

// No probability reads as never or as always.
const percent = (share) => (share < 0.005 ? "<1" : share >= 0.995 ? ">99" : `${Math.round(100 * share)}`);

export function scoreRow(row, { axis, beside, evidence, item }) {
  const name = element("button", {
    type: "button",
    className: "finding",
    id: `finding-${encodeURIComponent(row.finding)}`,
    textContent: row.finding,
    disabled: !item,
    "aria-pressed": String(evidence.item !== null && evidence.item === item),
    title: `Where is “${row.finding}” supported?`,
    onclick: () => evidence.choose(item),
  });
  const bar = row.probability ? probabilityBar(row.probability) : scoreBar(axis.of(row));
  for (const one of beside) {
    if (one) bar.append(at(element("i", { className: "tick" }), axis.of(one)));
  }
  return element("li", { className: row.probability ? "calibrated" : "" }, name, bar, figures(row));
}

function figures({ score, probability, answer, meaning }) {
  if (!probability)
    return element(
      "p",
      { className: "figures" },
      element("strong", { textContent: signed(score) }),
      element("span", { className: "unseen", textContent: `, ${meaning}` }),
    );
  const { value, low, high } = probability;
  return element(
    "p",
    { className: "figures" },
    element("strong", { textContent: `${percent(value)} %` }),
    element("small", { textContent: ` ${percent(low)} to ${percent(high)}` }),
    answer ? element("span", { className: `answer ${answer.replace(" ", "-")}`, textContent: answer }) : null,
    element("span", { className: "unseen", textContent: `, score ${signed(score)}` }),
  );
}

function probabilityBar({ value, low, high }) {
  const fill = element("i", { className: "fill" });
  fill.style.width = `${100 * value}%`;
  const interval = at(element("i", { className: "interval" }), low);
  interval.style.width = `${100 * (high - low)}%`;
  return element("span", { className: "bar probability", "aria-hidden": "true" }, fill, interval);
}

function scoreBar(place) {
  const fill = at(element("i", { className: place < 0.5 ? "fill below" : "fill" }), Math.min(place, 0.5));
  fill.style.width = `${100 * Math.abs(place - 0.5)}%`;
  return element("span", { className: "bar similarity", "aria-hidden": "true" }, fill);
}

function at(mark, place) {
  mark.style.left = `${100 * Math.min(1, Math.max(0, place))}%`;
  return mark;
}
