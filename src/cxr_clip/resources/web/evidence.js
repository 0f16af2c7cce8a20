// Where the words of a finding are supported in the active picture: asked of the server, laid over the picture.

import { colourOf, painted, valuesOf } from "./colours.js";
import { button, byId, element, paragraph, refusal, say, signed } from "./elements.js";
import { Newest, ask, formOf } from "./requests.js";

const NOTE =
  "Where the model's score of these words comes from: evidence of the model, " +
  "not the outline of a finding and no segmentation.";

const ABSTAINS = "The model abstains on this picture, so there is no map";

export class Evidence extends EventTarget {
  item = null;
  opacity = 0.65;
  marksPeak = true;
  #newest = new Newest();
  #maps = new Map();
  #chosen = 0;
  #error = null;

  constructor(study, viewer) {
    super();
    this.study = study;
    this.viewer = viewer;
    study.addEventListener("change", () => this.#studyChanged());
  }

  // Shows the maps of a finding; chosen again, takes them away.
  choose(item) {
    this.item = this.item === item ? null : item;
    this.#chosen = 0;
    this.#maps.clear();
    this.#ask();
    this.#show();
    this.dispatchEvent(new Event("change"));
  }

  #studyChanged() {
    for (const view of this.#maps.keys()) {
      if (!this.study.views.includes(view)) this.#maps.delete(view); // gone with its picture
    }
    if (!this.study.active) {
      this.#newest.cancel();
      this.#maps.clear();
      if (this.item) this.choose(this.item);
      return;
    }
    if (this.item) this.#ask();
    this.#show();
  }

  #ask() {
    const { item, study } = this;
    const view = study.active;
    this.#error = null;
    if (!item || !view || this.#maps.has(view)) return this.#newest.cancel();
    const form = formOf({ images: view.file, texts: JSON.stringify(item.positive) });
    return this.#newest.run(async (signal) => (await ask("/api/explain", { form, signal })).json(), {
      then: (answer) => {
        this.#maps.set(view, mapsOf(answer));
        this.#show();
        say(toldOf(answer, view.file.name));
      },
      otherwise: (error) => {
        this.#error = error;
        this.#show();
      },
    });
  }

  #show() {
    this.#lay();
    const region = byId("evidence");
    region.hidden = !this.item;
    if (!this.item) return;
    const held = document.activeElement?.id;
    region.replaceChildren(...this.#contents());
    if (held) region.querySelector(`#${CSS.escape(held)}`)?.focus();
  }

  #lay() {
    for (const view of this.study.views) {
      const map = this.item ? this.#maps.get(view)?.drawn[this.#chosen] : null;
      this.viewer
        .viewportOf(view)
        ?.lay(map ? { canvas: map.canvas, opacity: this.opacity, peak: this.marksPeak ? map.peak : null } : null);
    }
  }

  #contents() {
    const close = button("Hide map", () => this.choose(this.item), { id: "evidence-close" });
    const title = element("h3", { textContent: `Evidence: ${this.item.finding}` });
    if (this.#error) return [title, close, refusal(this.#error, () => (this.#ask(), this.#show()))];
    const maps = this.#maps.get(this.study.active);
    if (!maps) return [title, close, paragraph("hint", "Asking where these words are supported…")];
    if (!maps.drawn.length) return [title, close, paragraph("hint", `${ABSTAINS}: ${maps.abstained.join("; ")}.`)];
    const map = maps.drawn[this.#chosen];
    return [
      title,
      this.#sentences(maps.drawn),
      this.#legend(map),
      this.#controls(),
      close,
      paragraph("note", map.unseen ? `${NOTE} What the model does not see has no value and stays bare.` : NOTE),
    ];
  }

  #sentences(maps) {
    if (maps.length === 1) return paragraph("words", `“${maps[0].text}” ${signed(maps[0].score)}`);
    const select = element("select", {
      id: "evidence-words",
      "aria-label": "Which prompt",
      onchange: () => {
        this.#chosen = select.selectedIndex;
        this.#show();
      },
    });
    select.append(...maps.map(({ text, score }) => element("option", { textContent: `${text} ${signed(score)}` })));
    select.selectedIndex = this.#chosen;
    return select;
  }

  #legend({ low, high }) {
    const scale = element("canvas", { width: 128, height: 1, className: "scale", "aria-hidden": "true" });
    const context = scale.getContext("2d");
    for (let place = 0; place < 128; place++) {
      const [red, green, blue, opacity] = colourOf(place / 127);
      context.fillStyle = `rgb(${red} ${green} ${blue} / ${opacity / 255})`;
      context.fillRect(place, 0, 1, 1);
    }
    return element(
      "p",
      { className: "legend" },
      element("span", { textContent: signed(low) }),
      scale,
      element("span", { textContent: signed(high) }),
    );
  }

  #controls() {
    const opacity = element("input", { type: "range", id: "opacity", min: 0, max: 100, value: 100 * this.opacity });
    opacity.addEventListener("input", () => {
      this.opacity = opacity.value / 100;
      this.#lay();
    });
    const peak = element("input", { type: "checkbox", id: "peak", checked: this.marksPeak });
    peak.addEventListener("change", () => {
      this.marksPeak = peak.checked;
      this.#lay();
    });
    return element(
      "div",
      { className: "row" },
      element("label", { className: "field slider" }, "Opacity ", opacity),
      element("label", { className: "field" }, peak, " Peak ○"),
    );
  }
}

// What came for one picture: a map for each text, or why there is none.
function mapsOf({ height, width, texts, abstained = [] }) {
  return { drawn: texts.map((one) => drawn(one, { height, width })), abstained };
}

function toldOf({ texts, abstained = [] }, name) {
  if (!texts.length) return `${ABSTAINS}: ${abstained.join("; ")}.`;
  return `Evidence map of “${texts[0].text}” on ${name}; its peak lies ${wordsOf(texts[0].peak)}.`;
}

function drawn({ text, score, peak, map, low, high }, size) {
  const values = valuesOf(map);
  return {
    text,
    score,
    peak,
    low,
    high,
    unseen: values.some((value) => !Number.isFinite(value)),
    canvas: painted(values, { ...size, low, high }),
  };
}

// A peak in words, for those who do not see it. Left and right are the picture's, not the patient's.
function wordsOf({ x, y }) {
  const part = (place, names) => names[Math.min(2, Math.floor(3 * place))];
  const [down, across] = [part(y, ["upper", "middle", "lower"]), part(x, ["left", "middle", "right"])];
  return `in the ${down} third, ${across} in the picture`;
}
