// What the pointer does on the picture: select, brush, erase, draw a box, set points.

import { decode, encode, stroke } from "./rle.js";

export const HINTS = {
  select: "Click an object to select it, with Shift several.",
  brush: "Draw over the object. With nothing selected it is a new one.",
  erase: "Take away what is not part of the selected object.",
  box: "Draw a box around the object. With nothing selected it is a new one.",
  point: "Click on the object; with Alt or the right button on what is not part of it.",
};

export class Tools {
  /**
   * @param view the pictures
   * @param editor has `target()` (the id of the object that is drawn, or null), `maskOf(id)` (its runs on this frame),
   *   `promptOf(id)` (what waits there), `colourOf(id)`, `draw(make)`, `select(id, more)`, `hover(id)`, `frozen()`.
   */
  constructor(view, editor) {
    this.view = view;
    this.editor = editor;
    this.tool = "select";
    this.radius = 12;
    this.path = null;
    const canvas = view.canvas;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", () => this.cancel());
    canvas.addEventListener("pointerleave", () => editor.hover(0));
    canvas.addEventListener("contextmenu", (event) => { if (this.tool === "point") event.preventDefault(); });
  }

  /** The brush's radius in pixels of the video; it is set in pixels of the screen. */
  get reach() {
    return Math.max(this.radius * this.view.scale, 0.5);
  }

  down(event) {
    if (event.button === 1 || (event.button === 2 && this.tool !== "point")) return;
    const place = this.view.place(event), { editor } = this;
    if (this.tool === "select") {
      editor.select(this.view.objectAt(place), event.shiftKey || event.ctrlKey || event.metaKey);
      return;
    }
    if (editor.frozen()) return;
    event.preventDefault();
    if (this.tool === "erase" && editor.target() === null) {
      editor.say("select the object first: then erase from it");
      return;
    }
    this.path = [place];
    this.negative = event.altKey || event.button === 2;
    this.view.canvas.setPointerCapture(event.pointerId);
    if (this.tool === "brush" || this.tool === "erase") this.trace(place, place);
  }

  trace(from, to) {
    const { target, colourOf } = this.editor;
    const paint = this.tool === "erase" ? "rgb(255 255 255 / 60%)" : `rgb(${colourOf(target())} / 70%)`;
    this.view.drawStroke(from, to, this.reach, paint);
  }

  move(event) {
    const place = this.view.place(event);
    this.editor.point(event, this.tool === "brush" || this.tool === "erase" ? this.radius : 0);
    if (!this.path) {
      this.editor.hover(this.tool === "select" ? this.view.objectAt(place) : 0);
      return;
    }
    if (this.tool === "box") {
      this.editor.redraw([{ box: corners(this.path[0], place, this.view), colour: this.editor.colourOf(this.editor.target()) }]);
      this.path[1] = place;
    } else if (this.tool !== "point") {
      this.trace(this.path.at(-1), place);
      this.path.push(place);
    }
  }

  cancel() {
    this.path = null;
    this.editor.redraw([]);
  }

  up(event) {
    if (!this.path) return;
    const path = this.path, place = this.view.place(event);
    this.path = null;
    const { width, height } = this.view, { editor, reach, negative } = this;
    if (this.tool === "box") {
      const box = corners(path[0], place, this.view);
      if (box[2] - box[0] < 2 || box[3] - box[1] < 2) editor.redraw([]);
      else editor.draw(() => ({ box }));
    } else if (this.tool === "point") {
      if (place.x < 0 || place.y < 0 || place.x >= width || place.y >= height) return;
      editor.draw((id) => {
        const before = id === null ? null : editor.promptOf(id);
        const known = before?.point ? before : { point: [], labels: [] };
        const labels = [...known.labels.map(Number), negative ? 0 : 1];
        if (!labels.includes(1)) return "set a point on the object first";
        return { point: [...known.point, [place.x, place.y].map(tenths)], labels };
      });
    } else if (!path.some(({ x, y }) => x > -reach && y > -reach && x < width + reach && y < height + reach)) {
      editor.redraw([]);
      editor.say("that is outside the picture");
    } else {
      const value = this.tool === "brush" ? 1 : 0;
      editor.draw((id) => {
        const mask = decode(id === null ? "" : editor.maskOf(id), height, width);
        path.forEach((to, index) => stroke(mask, height, width, path[Math.max(index - 1, 0)], to, reach, value));
        if (!mask.includes(1)) return value ? "that is outside the picture" : "nothing would be left of it here: use Not visible";
        return { mask: encode(mask, height, width) };
      });
    }
  }
}

const tenths = (value) => Math.floor(value * 10) / 10; // of a pixel, and never beyond the picture

function corners(from, to, { width, height }) {
  const inside = (value, most) => Math.min(Math.max(value, 0), most);
  const x = [from.x, to.x].map((value) => inside(value, width)).sort((a, b) => a - b);
  const y = [from.y, to.y].map((value) => inside(value, height)).sort((a, b) => a - b);
  return [x[0], y[0], x[1], y[1]].map(tenths);
}
