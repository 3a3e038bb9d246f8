// Masks as run lengths, column by column, beginning with background: the compressed text of COCO's files.

/** The runs of a compressed text. */
export function runs(text) {
  const found = [];
  for (let i = 0; i < text.length;) {
    let value = 0, shift = 0, more = true;
    while (more) {
      const digit = text.charCodeAt(i++) - 48;
      value |= (digit & 31) << shift;
      more = (digit & 32) !== 0;
      shift += 5;
      if (!more && (digit & 16)) value |= -1 << shift;
    }
    // From the fourth on, a number is the difference to the run before last.
    if (found.length > 2) value += found[found.length - 2];
    found.push(value);
  }
  return found;
}

/** Calls `paint(index)` for each pixel of a mask, its index row by row. */
export function eachPixel(text, height, width, paint) {
  let at = 0, inside = false;
  for (const length of runs(text)) {
    if (inside) {
      let x = Math.floor(at / height), y = at % height;
      for (let left = length; left > 0; left--) {
        paint(y * width + x);
        if (++y === height) { y = 0; x++; }
      }
    }
    at += length;
    inside = !inside;
  }
}

/** The mask as an array, row by row: 1 is the object. */
export function decode(text, height, width) {
  const mask = new Uint8Array(height * width);
  if (text) eachPixel(text, height, width, (index) => { mask[index] = 1; });
  return mask;
}

/** Run lengths, not compressed, of an array that is row by row. */
export function encode(mask, height, width) {
  const counts = [];
  let value = 0, length = 0;
  for (let x = 0; x < width; x++) {
    for (let index = x, end = height * width; index < end; index += width) {
      if (mask[index] !== value) {
        counts.push(length);
        length = 0;
        value = mask[index];
      }
      length++;
    }
  }
  counts.push(length);
  return { size: [height, width], counts };
}

/** Sets the pixels within `radius` of the line between two points. */
export function stroke(mask, height, width, from, to, radius, value) {
  const steps = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / Math.max(radius / 2, 0.5)));
  for (let step = 0; step <= steps; step++) {
    const cx = from.x + (to.x - from.x) * step / steps, cy = from.y + (to.y - from.y) * step / steps;
    const top = Math.max(0, Math.floor(cy - radius)), bottom = Math.min(height - 1, Math.ceil(cy + radius));
    const left = Math.max(0, Math.floor(cx - radius)), right = Math.min(width - 1, Math.ceil(cx + radius));
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        // Centres of pixels are at halves.
        if ((x + 0.5 - cx) ** 2 + (y + 0.5 - cy) ** 2 <= radius * radius) mask[y * width + x] = value;
      }
    }
  }
}
