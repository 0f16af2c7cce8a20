// One picture on one canvas: its window, its zoom, and the map that lies over it.

import { develop } from "./picture.js";

const LARGEST = 32;
const bounded = (value, low, high) => Math.min(high, Math.max(low, value));

export class Viewport {
  #developed = document.createElement("canvas");
  #drawnOf = "";
  #waiting = false;
  #map = null;

  // `changed` is called after every change of the state by a person.
  constructor(canvas, picture, changed) {
    this.canvas = canvas;
    this.picture = picture;
    this.changed = changed;
    this.state = this.initial();
  }

  initial() {
    return { zoom: 1, x: 0.5, y: 0.5, inverted: false, ...this.picture.stored };
  }

  // Changes the state and says so. `x` and `y` are the place of the picture in the canvas's middle, as fractions.
  change(values) {
    this.adopt(values);
    this.changed(this);
  }

  // The same without saying so: for what comes from another view.
  adopt(values) {
    const { span, low } = this.picture;
    const next = { ...this.state, ...values };
    next.zoom = bounded(next.zoom, 1, LARGEST);
    next.x = next.zoom === 1 ? 0.5 : bounded(next.x, 0, 1);
    next.y = next.zoom === 1 ? 0.5 : bounded(next.y, 0, 1);
    next.width = bounded(next.width, span / 1000, 2 * span);
    next.level = bounded(next.level, low - span / 2, low + 1.5 * span);
    this.state = next;
    this.draw();
  }

  reset() {
    this.change(this.initial());
  }

  // Level and width as shares of this picture's own range, so that views of different depths can follow each other.
  get shares() {
    return {
      level: (this.state.level - this.picture.low) / this.picture.span,
      width: this.state.width / this.picture.span,
    };
  }

  fromShares({ level, width }) {
    return { level: this.picture.low + level * this.picture.span, width: width * this.picture.span };
  }

  windowBy(level, width) {
    const shares = this.shares;
    const factor = Math.exp(width);
    this.change(this.fromShares({ level: shares.level + level, width: shares.width * factor }));
  }

  // Zooms about a place of the canvas, in its own pixels; about the middle without one.
  zoomBy(factor, place = { x: this.canvas.width / 2, y: this.canvas.height / 2 }) {
    const { x, y } = this.placeAt(place);
    const zoom = bounded(this.state.zoom * factor, 1, LARGEST);
    const share = 1 - this.state.zoom / zoom;
    this.change({ zoom, x: this.state.x + (x - this.state.x) * share, y: this.state.y + (y - this.state.y) * share });
  }

  panBy(right, down) {
    const { columns, rows } = this.shown();
    this.change({ x: this.state.x - right / columns, y: this.state.y - down / rows });
  }

  // Where on the canvas the picture lies.
  shown() {
    const { width, height } = this.canvas;
    const { rows, columns } = this.picture;
    const scale = Math.min(width / columns, height / rows) * this.state.zoom;
    return {
      left: width / 2 - this.state.x * columns * scale,
      top: height / 2 - this.state.y * rows * scale,
      columns: columns * scale,
      rows: rows * scale,
    };
  }

  placeAt({ x, y }) {
    const { left, top, columns, rows } = this.shown();
    return { x: (x - left) / columns, y: (y - top) / rows };
  }

  // Lays a map over the picture, or takes it away: {canvas, opacity, peak: {x, y} or null}.
  lay(map) {
    this.#map = map;
    this.draw();
  }

  draw() {
    if (this.#waiting) return;
    this.#waiting = true;
    requestAnimationFrame(() => {
      this.#waiting = false;
      this.drawNow();
    });
  }

  drawNow() {
    const { width, height } = this.canvas;
    if (!width || !height) return;
    const { left, top, columns, rows } = this.shown();
    this.#develop(columns);
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    context.drawImage(this.#developed, left, top, columns, rows);
    if (!this.#map) return;
    context.globalAlpha = this.#map.opacity;
    context.drawImage(this.#map.canvas, left, top, columns, rows);
    context.globalAlpha = 1;
    if (this.#map.peak) mark(context, left + this.#map.peak.x * columns, top + this.#map.peak.y * rows);
  }

  #develop(shownColumns) {
    const copy = this.picture.copyFor(shownColumns);
    const { level, width, inverted } = this.state;
    const wanted = [copy.columns, level, width, inverted].join();
    if (wanted === this.#drawnOf) return;
    this.#drawnOf = wanted;
    this.#developed.width = copy.columns;
    this.#developed.height = copy.rows;
    const context = this.#developed.getContext("2d");
    const pixels = context.createImageData(copy.columns, copy.rows);
    develop(copy, { level, width, inverted }, pixels);
    context.putImageData(pixels, 0, 0);
  }
}

// A ring, light within dark, so that it is seen on any grey and on any colour of the map.
function mark(context, x, y) {
  const radius = 9 * devicePixelRatio;
  for (const [colour, line] of [
    ["#000", 5],
    ["#fff", 2],
  ]) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.strokeStyle = colour;
    context.lineWidth = line * devicePixelRatio;
    context.stroke();
  }
}
