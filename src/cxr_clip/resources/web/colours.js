// The colours of a map: viridis, which people with any colour blindness can read and whose order is that of grey.

const KNOTS = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"].map((hex) =>
  [0, 2, 4].map((place) => parseInt(hex.slice(place, place + 2), 16)),
);

// Red, green, blue, opacity of a share from 0 to 1: the lowest is bare, so that the picture stays to be seen.
export function colourOf(share) {
  const place = Math.min(1, Math.max(0, share)) * (KNOTS.length - 1);
  const knot = Math.min(KNOTS.length - 2, Math.floor(place));
  const between = place - knot;
  const colour = KNOTS[knot].map((one, channel) => Math.round(one + (KNOTS[knot + 1][channel] - one) * between));
  return [...colour, Math.round(255 * Math.min(1, share))];
}

// A map of values as a canvas of its own size; what is no number was not seen by the model, and stays bare.
export function painted(values, { width, height, low, high }) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  const span = Math.max(high - low, Number.MIN_VALUE);
  values.forEach((value, place) => {
    if (Number.isFinite(value)) pixels.data.set(colourOf((value - low) / span), 4 * place);
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// The float32 values of a map that came as base64.
export function valuesOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}
