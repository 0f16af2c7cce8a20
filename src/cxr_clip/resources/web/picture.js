// One picture of 16-bit values: its halved copies, its grey at a window, and what presets choose.

const BINS = 4096;

// Reads the answer of /api/picture. Values are little-endian, as every browser's machine is.
export async function pictureOf(response) {
  const number = (name) => Number(response.headers.get(name));
  const values = new Uint16Array(await response.arrayBuffer());
  return new Picture(values, number("X-Rows"), number("X-Columns"), {
    level: number("X-Window-Center"),
    width: number("X-Window-Width"),
  });
}

export class Picture {
  constructor(values, rows, columns, stored) {
    this.rows = rows;
    this.columns = columns;
    this.copies = halved({ values, rows, columns });
    [this.low, this.high] = rangeOf(values);
    this.span = Math.max(1, this.high - this.low);
    this.stored = { level: stored.level, width: Math.max(1, stored.width) };
    this.presets = presetsOf(values, this);
  }

  // The smallest copy that still has as many pixels as are shown: nothing flickers, and little is computed.
  copyFor(shownColumns) {
    const enough = this.copies.filter((copy) => copy.columns >= shownColumns);
    return enough.at(-1) ?? this.copies[0];
  }
}

function halved(whole) {
  const copies = [whole];
  for (let last = whole; Math.min(last.rows, last.columns) > 128; copies.push(last)) last = half(last);
  return copies;
}

function half({ values, rows, columns }) {
  const fewer = { rows: rows >> 1, columns: columns >> 1 };
  const means = new Uint16Array(fewer.rows * fewer.columns);
  for (let row = 0, place = 0; row < fewer.rows; row++) {
    for (let column = 0, above = 2 * row * columns; column < fewer.columns; column++, above += 2) {
      const below = above + columns;
      means[place++] = (values[above] + values[above + 1] + values[below] + values[below + 1] + 2) >> 2;
    }
  }
  return { values: means, ...fewer };
}

function rangeOf(values) {
  let low = 65535;
  let high = 0;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, Math.max(low, high)];
}

// A radiograph has no Hounsfield units: presets are shares of its own values.
function presetsOf(values, picture) {
  const at = quantiles(values, picture);
  const between = (from, to) => ({ level: (at(from) + at(to)) / 2, width: Math.max(1, at(to) - at(from)) });
  return new Map([
    ["As stored", picture.stored],
    ["Whole range", { level: (picture.low + picture.high) / 2, width: picture.span }],
    ["Most values (1–99 %)", between(0.01, 0.99)],
    ["Dark part (1–60 %)", between(0.01, 0.6)],
    ["Bright part (40–99.5 %)", between(0.4, 0.995)],
  ]);
}

function quantiles(values, { low, span }) {
  const counts = new Uint32Array(BINS);
  for (const value of values) counts[Math.floor(((value - low) / span) * (BINS - 1))]++;
  return (share) => {
    let left = share * values.length;
    const bin = counts.findIndex((count) => (left -= count) <= 0);
    return low + ((bin < 0 ? BINS - 1 : bin) / (BINS - 1)) * span;
  };
}

// Writes a copy's grey into `pixels` (an ImageData of its size): linear within the window, black and white beyond.
export function develop(copy, { level, width, inverted }, pixels) {
  const from = level - width / 2;
  const grey = new Uint32Array(65536);
  for (let value = 0; value < 65536; value++) {
    const share = Math.min(1, Math.max(0, (value - from) / width));
    grey[value] = (0xff000000 | (Math.round(255 * (inverted ? 1 - share : share)) * 0x010101)) >>> 0;
  }
  const colours = new Uint32Array(pixels.data.buffer);
  for (let place = 0; place < colours.length; place++) colours[place] = grey[copy.values[place]];
}
