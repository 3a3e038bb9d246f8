// The two pictures: the frame as it is, and with its objects.

import { eachPixel } from "./rle.js";

const FILL = 0.42, FILL_SELECTED = 0.6, FILL_OTHERS = 0.16;

export class View {
  /** Draws into the canvases of two figures. */
  constructor(original, objects) {
    this.original = original.querySelector("canvas");
    this.canvas = objects.querySelector("canvas");
    this.layer = document.createElement("canvas");
    this.ids = new Int32Array(0);
  }

  resize(width, height) {
    if (this.canvas.width === width && this.canvas.height === height && this.ids.length) return;
    for (const canvas of [this.original, this.canvas, this.layer]) Object.assign(canvas, { width, height });
    this.width = width;
    this.height = height;
    this.pixels = this.layer.getContext("2d").createImageData(width, height);
    this.ids = new Int32Array(width * height);
    this.edge = Math.max(1, Math.round(Math.max(width, height) / 640));
  }

  /**
   * Draw a frame.
   *
   * @param scene image (or null), objects `[{id, colour, counts, selected, drawn}]` from the one on top, `prompts`
   *   (boxes and points on this frame), `focus` (whether any is selected), `hover` (an id or null).
   */
  draw(scene) {
    const front = this.canvas.getContext("2d"), back = this.original.getContext("2d");
    for (const context of [front, back]) {
      if (scene.image) context.drawImage(scene.image, 0, 0, this.width, this.height);
      else context.clearRect(0, 0, this.width, this.height);
    }
    this.paintMasks(scene);
    this.layer.getContext("2d").putImageData(this.pixels, 0, 0);
    front.drawImage(this.layer, 0, 0);
    for (const prompt of scene.prompts) this.drawPrompt(front, prompt);
  }

  paintMasks({ objects, focus, hover }) {
    const { width, height, ids } = this;
    ids.fill(0);
    for (const object of [...objects].reverse()) eachPixel(object.counts, height, width, (index) => { ids[index] = object.id; });
    const colours = new Map();
    for (const { id, colour: [r, g, b], selected, drawn } of objects) {
      const opacity = selected || id === hover ? FILL_SELECTED : focus ? FILL_OTHERS : FILL;
      const solid = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
      colours.set(id, {
        fill: ((Math.round(255 * opacity) << 24) | (b << 16) | (g << 8) | r) >>> 0,
        edge: selected || drawn ? 0xffffffff : focus && id !== hover ? (solid & 0x00ffffff | 0x90000000) >>> 0 : solid,
      });
    }
    const out = new Uint32Array(this.pixels.data.buffer), far = this.edge;
    for (let y = 0, index = 0; y < height; y++) {
      for (let x = 0; x < width; x++, index++) {
        const id = ids[index];
        if (!id) { out[index] = 0; continue; }
        const inner = x >= far && x < width - far && y >= far && y < height - far && ids[index - far] === id
          && ids[index + far] === id && ids[index - far * width] === id && ids[index + far * width] === id;
        const colour = colours.get(id);
        out[index] = inner ? colour.fill : colour.edge;
      }
    }
  }

  drawPrompt(context, { box, point, labels, colour }) {
    const line = 2 * this.edge;
    context.lineWidth = line;
    context.strokeStyle = `rgb(${colour})`;
    if (box) {
      context.setLineDash([4 * line, 2 * line]);
      context.strokeRect(box[0], box[1], box[2] - box[0], box[3] - box[1]);
      context.setLineDash([]);
    }
    (point || []).forEach(([x, y], number) => {
      const positive = labels[number], size = 4 * line;
      context.fillStyle = positive ? "#12b76a" : "#f04438";
      context.strokeStyle = "#fff";
      context.beginPath();
      context.arc(x, y, size, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
      context.beginPath();
      context.moveTo(x - size / 2, y);
      context.lineTo(x + size / 2, y);
      if (positive) {
        context.moveTo(x, y - size / 2);
        context.lineTo(x, y + size / 2);
      }
      context.stroke();
    });
  }

  /** What is being drawn, before the server knows of it. */
  drawStroke(from, to, radius, colour) {
    const context = this.canvas.getContext("2d");
    context.lineCap = "round";
    context.lineWidth = 2 * radius;
    context.strokeStyle = colour;
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x + 0.01, to.y);
    context.stroke();
  }

  /** Where a pointer is, in pixels of the video. */
  place(event) {
    const { left, top, scale } = this.shown();
    return { x: (event.clientX - left) * scale, y: (event.clientY - top) * scale };
  }

  /** Pixels of the video in one of the screen. */
  get scale() {
    return this.shown().scale;
  }

  /** Where the picture is on the screen: the canvas is larger, with bars beside or above it. */
  shown() {
    const area = this.canvas.getBoundingClientRect();
    const scale = Math.max(this.width / (area.width || 1), this.height / (area.height || 1));
    const left = area.left + (area.width - this.width / scale) / 2, top = area.top + (area.height - this.height / scale) / 2;
    return { left, top, scale };
  }

  /** The object at a place, or 0. */
  objectAt({ x, y }) {
    const column = Math.floor(x), row = Math.floor(y);
    if (column < 0 || row < 0 || column >= this.width || row >= this.height) return 0;
    return this.ids[row * this.width + column];
  }
}
