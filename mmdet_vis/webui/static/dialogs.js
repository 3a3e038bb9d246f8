// The two dialogs: export, and keys.

import { act, getExport, getFormats } from "./server.js";

export const KEYS = [
  ["Space", "play, pause"],
  ["\u2190 \u2192", "frame before, next frame; with Shift ten"],
  ["Home End", "first, last frame"],
  ["V B E R P", "select, brush, erase, box, point"],
  ["[ ]", "smaller, larger brush"],
  ["Enter", "propagate what is drawn"],
  ["Del", "delete the selected objects"],
  ["H", "hide or show them"],
  ["M", "merge them"],
  ["C", "rename the selected object"],
  ["N", "select the next object"],
  ["S", "side by side with the original"],
  ["Ctrl+Z", "undo; with Shift redo"],
  ["Esc", "select nothing"],
];

const get = (id) => document.getElementById(id);

/** `what()` says what is exported. */
export async function openExport(what) {
  get("what").textContent = what();
  get("exported").replaceChildren();
  get("exports").showModal();
  const list = get("format");
  if (list.options.length) return;
  const formats = await getFormats();
  const group = (title, some) => {
    const box = document.createElement("optgroup");
    box.label = title;
    for (const { name, title: text, frames } of some) {
      const option = new Option(text, name);
      option.dataset.frames = frames ? "1" : "";
      option.title = text;
      box.append(option);
    }
    return box;
  };
  list.replaceChildren(
    group("Annotations", formats.filter((one) => one.frames)), group("Results", formats.filter((one) => !one.frames)),
  );
  list.value = formats[0].name;
  list.onchange = () => { get("withframes").hidden = !list.selectedOptions[0]?.dataset.frames; };
}

/** `idle()` waits until what was done has reached the server; `threshold()` is the lowest score. */
export async function download(idle, threshold) {
  const button = get("download"), box = get("exported");
  const say = (text, className = "") => {
    const line = document.createElement("p");
    Object.assign(line, { textContent: text, className });
    box.append(line);
  };
  button.disabled = true;
  box.replaceChildren();
  say("Writing\u2026");
  try {
    await idle();
    const { name, blob, notes } = await getExport(get("format").value, threshold(), get("jpegs").checked);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    box.replaceChildren();
    say(`${name}, ${(blob.size / 1024).toFixed(0)} KB`, "done");
    notes.forEach((note) => say(note));
  } catch (error) {
    box.replaceChildren();
    say(error.message, "error");
  }
  button.disabled = false;
}

export function prepareHelp(about, failed) {
  get("keys").replaceChildren(...KEYS.flatMap(([key, text]) => {
    const term = document.createElement("dt"), meaning = document.createElement("dd");
    term.textContent = key;
    meaning.textContent = text;
    return [term, meaning];
  }));
  get("about").textContent = about;
  get("remove").onclick = async () => {
    if (!confirm("Delete this video, its objects and all corrections from the server?")) return;
    try {
      await act("delete");
      forget();
      location.assign(get("home").href);
    } catch (error) { failed(error); }
  };
}

const RECENT = "mmdet_vis.recent", MOST_RECENT = 8;

function recent() {
  try { return JSON.parse(localStorage.getItem(RECENT)) || []; } catch { return []; }
}

function keep(list) {
  try { localStorage.setItem(RECENT, JSON.stringify(list)); } catch { /* a browser that keeps nothing */ }
}

const key = () => location.pathname.split("/").filter(Boolean).at(-1);

/** The first page lists the videos of this browser. */
export function remember(name) {
  keep([{ key: key(), name, time: Date.now() }, ...recent().filter((one) => one.key !== key())].slice(0, MOST_RECENT));
}

export function forget() {
  keep(recent().filter((one) => one.key !== key()));
}
