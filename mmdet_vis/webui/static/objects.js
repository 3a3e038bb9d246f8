// The table of objects.

import { colour, label, reveal } from "./timeline.js";

const COLUMNS = 6;
const EYE = '<path d="M2 12c3-5 6.500-7 10-7s7 2 10 7c-3 5-6.500 7-10 7s-7-2-10-7z"/><circle cx="12" cy="12" r="3"/>';
const SLASH = '<path d="M4 20 20 4"/>';

export class ObjectTable {
  /** `select(id, more)`, `hover(id)`, `seek(frame)` and `toggle(id)` are called. */
  constructor(table, { select, hover, seek, toggle }) {
    this.body = table.tBodies[0];
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("tr"), act = event.target.closest("button");
      if (!row) return;
      const id = Number(row.dataset.id);
      if (act?.className === "eye") toggle(id);
      else {
        select(id, event.shiftKey || event.ctrlKey || event.metaKey);
        if (act?.dataset.frame) seek(Number(act.dataset.frame));
      }
    });
    this.body.addEventListener("pointermove", (event) => hover(Number(event.target.closest("tr")?.dataset.id || 0)));
    this.body.addEventListener("pointerleave", () => hover(0));
  }

  fill(tracks, hidden) {
    this.body.replaceChildren(...tracks.map((track) => {
      const row = document.createElement("tr");
      row.dataset.id = track.id;
      row.classList.toggle("off", hidden.has(track.id));
      const cells = Array.from({ length: COLUMNS }, () => row.insertCell());
      const swatch = document.createElement("i");
      swatch.style.background = colour(track);
      cells[0].append(swatch);
      cells[1].append(this.button("name", label(track), label(track)));
      cells[2].textContent = track.score.toFixed(2);
      if (track.by_hand) {
        cells[2].textContent += " \u270e";
        cells[2].title = "people had a hand in it: it is shown whatever its score";
      }
      if (track.runs.length) {
        const first = track.runs[0][0], last = track.runs.at(-1)[1];
        for (const [frame, sign] of [[first, "\u2013"], [last, ""]]) {
          const go = this.button("go", String(frame), `Show frame ${frame}`);
          go.dataset.frame = frame;
          cells[3].append(go, sign);
        }
        cells[3].title = `visible in ${track.frames} frames`;
      } else cells[3].textContent = "none";
      cells[4].textContent = track.area;
      const shown = !hidden.has(track.id);
      const eye = this.button("eye", "", shown ? "Hide" : "Show");
      eye.setAttribute("aria-label", `${shown ? "Hide" : "Show"} #${track.id}`);
      eye.innerHTML = `<svg viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" stroke-width="2">${shown ? EYE : EYE + SLASH}</svg>`;
      eye.setAttribute("aria-pressed", String(!shown));
      cells[5].append(eye);
      return row;
    }));
  }

  button(className, text, title) {
    const button = document.createElement("button");
    Object.assign(button, { className, textContent: text, title });
    return button;
  }

  /** Show the row of an object. */
  reveal(id) {
    const row = [...this.body.rows].find((one) => Number(one.dataset.id) === id);
    reveal(this.body.closest("#list"), row, this.body.parentElement.tHead.offsetHeight);
  }

  mark(selected, hovered, visible) {
    for (const row of this.body.rows) {
      const id = Number(row.dataset.id);
      row.classList.toggle("selected", selected.has(id));
      row.classList.toggle("hovered", id === hovered);
      row.classList.toggle("absent", !visible.has(id));
    }
  }
}
