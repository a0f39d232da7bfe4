// Pixels <-> what the network takes. This repeats the rules of two Python files, which change together with it:
// the sizes and the padding of hwan/inference/padding.py (margins, places), and the ranges of
// hwan/imaging/pixels.py (to_tensor, to_pixels). tests/web/test_pixels_js.py compares them.

/** The side to which `side` is grown: a multiple, at least `least`. */
export const grown = (side, multiple, least) =>
  Math.max(least, Math.ceil(side / multiple) * multiple);

/** For each of `target` places of a padded side, the place in the picture that is shown there:
    grown evenly at both ends, by reflection where the picture is large enough, else by its border. */
export function places(side, target) {
  const before = Math.floor((target - side) / 2), after = target - side - before;
  const reflects = Math.max(before, after) < side;
  return Int32Array.from({length: target}, (_, i) => {
    const at = i - before;
    if (at >= 0 && at < side) return at;
    if (!reflects) return at < 0 ? 0 : side - 1;
    return at < 0 ? -at : 2 * (side - 1) - at;
  });
}

/** RGBA bytes of an opaque picture as float32 (1, C, H, W) in [-1, 1], padded. */
export function toTensor({data, width, height}, {channels, multiple, least}) {
  const w = grown(width, multiple, least), h = grown(height, multiple, least);
  const columns = places(width, w), rows = places(height, h);
  const values = new Float32Array(channels * h * w), plane = h * w;
  for (let y = 0, at = 0; y < h; y++) {
    const row = rows[y] * width;
    for (let x = 0; x < w; x++, at++) {
      const from = 4 * (row + columns[x]);
      if (channels === 1) {
        // Rec. 601 luma in the fixed point that Pillow works in
        const luma = (data[from] * 19595 + data[from + 1] * 38470 + data[from + 2] * 7471 + 0x8000) >> 16;
        values[at] = luma / 127.5 - 1;
      } else {
        for (let c = 0; c < 3; c++) values[c * plane + at] = data[from + c] / 127.5 - 1;
      }
    }
  }
  return {values, dims: [1, channels, h, w]};
}

/** Float32 (1, C, h, w) in [-1, 1] as an opaque ImageData of width x height, the padding cut off. */
export function toImage(values, [, channels, h, w], width, height) {
  const image = new ImageData(width, height), {data} = image, plane = h * w;
  const top = Math.floor((h - height) / 2), left = Math.floor((w - width) / 2);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 4) {
      const from = (y + top) * w + x + left;
      // A clamped array clips and rounds to the nearest, ties to even, as torch does.
      for (let c = 0; c < 3; c++) data[to + c] = (values[(channels === 1 ? 0 : c) * plane + from] + 1) * 127.5;
      data[to + 3] = 255;
    }
  }
  return image;
}
