// A row per object: when it is visible, how sure that is, and where people have drawn. Text has the page's size.

export const colour = (track) => `rgb(${track.colour.join(",")})`;
export const label = (track) => `#${track.id} ${track.category.replaceAll("_", " ")}`;

/** Distance of marks on an axis: 1, 2 or 5 times a power of ten, so that there are at most `most`. */
export function tickStep(end, most) {
  if (!(end > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(end / most));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step * most >= end * (1 - 1e-9));
}

/** Scroll a box, and nothing around it, so that a row of it is seen; `head` and `foot` are covered at its ends. */
export function reveal(box, row, head = 0, foot = 0) {
  if (!row) return;
  const outer = box.getBoundingClientRect(), inner = row.getBoundingClientRect();
  if (inner.top < outer.top + head) box.scrollTop += inner.top - outer.top - head;
  else if (inner.bottom > outer.bottom - foot) box.scrollTop += inner.bottom - outer.bottom + foot;
}

export class Timeline {
  /** `seek(frame)`, `select(id, more)` and `hover(id)` are called. */
  constructor(box, { seek, select, hover }) {
    this.box = box;
    let dragging = false;
    const seekTo = (event) => {
      const bar = box.querySelector(".bar");
      if (!bar) return;
      const area = bar.getBoundingClientRect();
      const frame = Math.floor((event.clientX - area.left) / area.width * this.frames);
      seek(Math.min(Math.max(frame, 0), this.frames - 1));
    };
    box.addEventListener("pointerdown", (event) => {
      const row = event.target.closest(".row");
      if (!event.target.closest(".bar")) return;
      if (row?.dataset.id) select(Number(row.dataset.id), event.shiftKey);
      dragging = true;
      box.setPointerCapture(event.pointerId);
      seekTo(event);
    });
    box.addEventListener("pointermove", (event) => {
      if (dragging) seekTo(event);
      else hover(Number(event.target.closest(".row")?.dataset.id || 0));
    });
    box.addEventListener("pointerleave", () => hover(0));
    for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, () => { dragging = false; });
    box.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row?.dataset.id && event.target.closest(".label")) select(Number(row.dataset.id), event.shiftKey);
    });
  }

  /** Draw the rows anew. */
  fill(tracks, { frames, ready, fps, pending, hidden }) {
    this.frames = frames;
    const share = (count) => `${100 * count / frames}%`;
    const span = (className, first, last, title) => {
      const bar = document.createElement("div");
      bar.className = className;
      bar.style.left = share(first);
      bar.style.width = share(last - first + 1);
      bar.title = title;
      return bar;
    };
    const rows = tracks.map((track) => {
      const { row, bar } = this.row(label(track), track.id);
      row.classList.toggle("off", hidden.has(track.id));
      row.style.setProperty("--colour", colour(track));
      for (const [first, last] of track.runs) bar.append(span("run", first, last, `${label(track)}: frames ${first} to ${last}`));
      if (track.confidence) bar.append(this.heat(track));
      for (const frame of track.given) bar.append(span("given", frame, frame, `frame ${frame}: as a person drew or said`));
      for (const prompt of pending.filter((one) => one.id === track.id)) {
        bar.append(span("pending", prompt.frame, prompt.frame, `frame ${prompt.frame}: drawn, not propagated yet`));
      }
      return row;
    });
    const { row: axis, bar } = this.row(fps ? "seconds" : "frame", "");
    axis.classList.add("axis");
    const end = fps ? frames / fps : frames, most = Math.max(2, Math.floor(this.box.clientWidth / 90));
    const step = Math.max(tickStep(end, most), fps ? 0 : 1); // there is no half frame
    for (let tick = 0; tick <= end * (1 - 1e-9); tick += step) {
      const mark = document.createElement("span");
      mark.style.left = share(fps ? tick * fps : tick);
      mark.textContent = String(Number(tick.toPrecision(6)));
      bar.append(mark);
    }
    if (ready < frames) bar.append(span("missing", ready, frames - 1, "frames that are not there yet"));
    this.playhead = document.createElement("div");
    this.playhead.className = "playhead";
    const rail = document.createElement("div");
    rail.className = "rail";
    rail.append(this.playhead);
    const lines = document.createElement("div");
    lines.className = "lines";
    lines.append(...rows, axis, rail);
    this.box.replaceChildren(lines);
  }

  row(text, id) {
    const row = document.createElement("div"), name = document.createElement("button"), bar = document.createElement("div");
    row.className = "row";
    row.dataset.id = id;
    name.className = "label";
    name.textContent = name.title = text;
    name.tabIndex = -1;
    bar.className = "bar";
    row.append(name, bar);
    return { row, bar };
  }

  /** How sure each frame is: the less, the redder. */
  heat(track) {
    const line = document.createElement("div");
    line.className = "heat";
    const parts = track.confidence.map((value, frame) => {
      const shown = track.runs.some(([first, last]) => first <= frame && frame <= last);
      const colour = shown ? `hsl(${Math.round(120 * value)} 85% 45%)` : "transparent";
      return `${colour} ${100 * frame / this.frames}% ${100 * (frame + 1) / this.frames}%`;
    });
    line.style.background = `linear-gradient(to right, ${parts.join(",")})`;
    line.title = "how sure each frame is: red ones are worth a look";
    return line;
  }

  /** Show the row of an object. */
  reveal(id) {
    reveal(this.box, this.box.querySelector(`.row[data-id="${id}"]`), 0, this.box.querySelector(".axis")?.offsetHeight);
  }

  /** Mark the frame, the selected objects and the one under the pointer. */
  mark(frame, selected, hovered) {
    if (this.playhead) {
      this.playhead.style.left = `${100 * frame / this.frames}%`;
      this.playhead.style.width = `${100 / this.frames}%`;
    }
    for (const row of this.box.querySelectorAll(".row[data-id]")) {
      const id = Number(row.dataset.id);
      row.classList.toggle("selected", selected.has(id));
      row.classList.toggle("hovered", id > 0 && id === hovered);
    }
  }
}
