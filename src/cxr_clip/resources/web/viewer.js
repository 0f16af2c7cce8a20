// Up to four views side by side, and the controls that change the active one, or all that are synchronised.

import { byId, element } from "./elements.js";
import { handle } from "./gestures.js";
import { Viewport } from "./viewport.js";

export class Viewer {
  #panes = new Map();
  #synchronised = false;
  #resized = new ResizeObserver((entries) => entries.forEach(({ target }) => this.#size(target)));

  constructor(study) {
    this.study = study;
    this.#controls();
    study.addEventListener("change", () => this.#arrange());
    this.#arrange();
  }

  viewportOf(view) {
    return this.#panes.get(view)?.viewport ?? null;
  }

  #arrange() {
    const { shown, active, views } = this.study;
    for (const [view, pane] of this.#panes) {
      if (!shown.includes(view)) this.#close(view, pane);
    }
    for (const view of shown) {
      if (!this.#panes.has(view)) this.#open(view);
    }
    byId("stage").dataset.panes = shown.length;
    const frames = shown.map((view) => this.#panes.get(view).frame);
    byId("stage").append(...frames.filter((frame) => !frame.isConnected));
    byId("empty").hidden = views.length > 0;
    byId("toolbar").hidden = byId("keys").hidden = !shown.length;
    for (const [view, pane] of this.#panes) pane.frame.classList.toggle("active", view === active && shown.length > 1);
    this.#show();
  }

  #open(view) {
    const canvas = element("canvas", { tabIndex: 0, role: "img", width: 1, height: 1 });
    const caption = element(
      "figcaption",
      {},
      element("span", { textContent: view.file.name }),
      element("output", { "aria-hidden": "true" }),
    );
    const frame = element("figure", { className: "pane" }, canvas, caption);
    const viewport = new Viewport(canvas, view.picture, (changed) => this.#follow(changed));
    handle(viewport, {
      drag: () => document.querySelector("input[name=drag]:checked").value,
      activate: () => this.study.activate(view),
      synchronise: () => this.#synchronise(!this.#synchronised),
    });
    this.#panes.set(view, { frame, canvas, caption, viewport });
    this.#resized.observe(canvas);
  }

  #close(view, pane) {
    this.#resized.unobserve(pane.canvas);
    pane.frame.remove();
    this.#panes.delete(view);
  }

  #size(canvas) {
    const pane = [...this.#panes.values()].find((one) => one.canvas === canvas);
    canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
    pane?.viewport.drawNow();
  }

  // What one view does the others do too, each within its own range of values.
  #follow(changed) {
    if (this.#synchronised) {
      const { zoom, x, y, inverted } = changed.state;
      for (const { viewport } of this.#panes.values()) {
        if (viewport !== changed) viewport.adopt({ zoom, x, y, inverted, ...viewport.fromShares(changed.shares) });
      }
    }
    this.#show();
  }

  #synchronise(wanted) {
    this.#synchronised = wanted;
    const active = this.viewportOf(this.study.active);
    if (active) this.#follow(active);
  }

  #controls() {
    const act = (id, event, change) =>
      byId(id).addEventListener(event, () => {
        const viewport = this.viewportOf(this.study.active);
        if (viewport) change(viewport, byId(id));
      });
    act("level", "input", (one, { value }) => one.change(one.fromShares({ ...one.shares, level: value / 1000 })));
    act("width", "input", (one, { value }) => one.change(one.fromShares({ ...one.shares, width: value / 1000 })));
    act("preset", "change", (one, { value }) => one.change(one.picture.presets.get(value)));
    act("smaller", "click", (one) => one.zoomBy(0.8));
    act("larger", "click", (one) => one.zoomBy(1.25));
    act("fit", "click", (one) => one.change({ zoom: 1 }));
    act("invert", "click", (one) => one.change({ inverted: !one.state.inverted }));
    act("reset", "click", (one) => one.reset());
    act("synchronise", "click", () => this.#synchronise(!this.#synchronised));
  }

  // The controls say what the active view has.
  #show() {
    for (const [view, { canvas, caption, viewport }] of this.#panes) {
      const [level, width, zoom] = [viewport.state.level, viewport.state.width, 100 * viewport.state.zoom].map(
        Math.round,
      );
      const inverted = viewport.state.inverted ? ", inverted" : "";
      caption.lastChild.textContent = `L ${level}  W ${width}  ${zoom} %${inverted}`;
      const words = `${view.file.name}: level ${level}, width ${width}, zoom ${zoom} %${inverted}`;
      canvas.setAttribute("aria-label", words);
    }
    byId("synchronise").setAttribute("aria-pressed", this.#synchronised);
    byId("synchronise").hidden = this.#panes.size < 2;
    const active = this.viewportOf(this.study.active);
    if (!active) return;
    const { level, width, zoom, inverted } = active.state;
    byId("level").value = 1000 * active.shares.level;
    byId("width").value = 1000 * active.shares.width;
    byId("level-value").textContent = Math.round(level);
    byId("width-value").textContent = Math.round(width);
    byId("zoom").textContent = `${Math.round(100 * zoom)} %`;
    byId("invert").setAttribute("aria-pressed", inverted);
    this.#showPreset(active);
  }

  #showPreset({ picture, state }) {
    const names = [...picture.presets.keys()];
    const chosen = names.find((name) => {
      const { level, width } = picture.presets.get(name);
      return Math.abs(level - state.level) < 1e-6 && Math.abs(width - state.width) < 1e-6;
    });
    byId("preset").replaceChildren(
      ...(chosen ? names : ["By hand", ...names]).map((name) => element("option", { textContent: name, value: name })),
    );
    byId("preset").value = chosen ?? "By hand";
  }
}
