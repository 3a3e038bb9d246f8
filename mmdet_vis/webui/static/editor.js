// The editor: one video, its objects, and what people do to them. All that counts is on the server.

import { download, forget, openExport, prepareHelp, remember } from "./dialogs.js";
import { Images, Masks, Proposed } from "./frames.js";
import { ObjectTable } from "./objects.js";
import { act, getState, Refused, sendEdit, sendView, Unreachable } from "./server.js";
import { shortStatus, showStatus } from "./status.js";
import { Timeline, label } from "./timeline.js";
import { HINTS, Tools } from "./tools.js";
import { View } from "./view.js";

const get = (id) => document.getElementById(id);
const BUSY_EVERY = 600, IDLE_EVERY = 4000, AHEAD = 6;
const NEW_COLOUR = [255, 255, 255];
/** Of candidates, before there are objects. */
const CANDIDATES = [[255, 196, 0], [0, 200, 255], [255, 90, 160], [120, 220, 90], [180, 130, 255], [255, 140, 60]];

let state = null, tracks = [], problem = "", gone = false;
let frame = 0, playing = null, hovered = 0, sketch = [];
const selected = new Set(), hidden = new Set();
let threshold = 0.3, viewTimer = null, pollTimer = null, redrawing = 0;
/** What is done goes to the server in order, each step with the revision that the one before gave. */
let queue = Promise.resolve();

const images = new Images(() => redraw());
const masks = new Masks(() => redraw());
/** Until the user does something, the picture follows the work. */
let follows = true;
const proposed = new Proposed((index) => { if (follows && state.revision < 0) seek(index); else redraw(); });
const view = new View(get("original"), get("objects"));
const acts = { seek: (to) => seek(to), select: (id, more) => select(id, more), hover: (id) => hover(id), toggle: (id) => toggle([id]) };
const timeline = new Timeline(get("timeline"), acts);
const table = new ObjectTable(document.querySelector("#list table"), acts);

const passes = (track) => track.by_hand || track.score >= threshold;
const chosen = () => tracks.filter((track) => selected.has(track.id));
const pendingHere = () => (state?.pending || []).filter((prompt) => prompt.frame === frame);

// ---- the state of the server

/** Which run of the model a revision belongs to. */
const run = (revision) => Math.floor(revision / 1e6);

function take(next) {
  const renewed = state === null || run(state.revision) !== run(next.revision);
  state = { ...(next.tracks ? {} : state), ...next };
  problem = "";
  if (renewed) {
    threshold = state.threshold;
    hidden.clear();
    state.hidden.forEach((id) => hidden.add(id));
    get("threshold").value = threshold;
    remember(state.name);
  }
  if (next.proposed) proposed.fetch(next.proposed);
  else if (follows && renewed) seek(0);
  if (next.tracks) {
    masks.renew(state.revision);
    get("categories").replaceChildren(...state.categories.map((name) => new Option(name)));
  }
  view.resize(state.width, state.height);
  document.title = [shortStatus(state), state.name, "mmdet_vis"].filter(Boolean).join(" – ");
  get("name").textContent = state.name;
  get("scrub").max = get("frame").max = get("from").max = get("to").max = state.frames - 1;
  get("last").textContent = state.frames - 1;
  const steps = [["undo", state.undo], ["redo", state.redo]];
  for (const [id, title] of steps) {
    get(id).disabled = !title || Boolean(state.job);
    get(id).title = title ? `${id === "undo" ? "Undo" : "Redo"}: ${title}` : `Nothing to ${id}`;
  }
  const empty = state.revision === -1;
  get("export").disabled = empty;
  for (const button of document.querySelectorAll("[data-tool]")) button.disabled = empty;
  document.body.classList.toggle("empty", empty);
  document.body.classList.toggle("busy", Boolean(state.job));
  refresh();
  document.body.dataset.edits = state.edits ?? "";
}

async function poll() {
  clearTimeout(pollTimer);
  try {
    take(await getState(state?.revision ?? -1));
  } catch (error) { failed(error); }
  if (gone) return;
  const busy = !state || state.job || state.frames_ready < state.frames || problem;
  clearTimeout(pollTimer);
  pollTimer = setTimeout(poll, busy ? BUSY_EVERY : IDLE_EVERY);
}

function failed(error) {
  if (error instanceof Unreachable) {
    problem = error.message;
    showLine();
  } else if (error instanceof Refused && error.gone) {
    gone = true;
    forget();
    problem = "";
    get("status").hidden = false;
    get("status").className = "error";
    get("text").textContent = `${error.message}: it was deleted, or nobody looked at it for long`;
    for (const id of ["said", "stop", "again", "progress"]) get(id).hidden = true;
    document.body.classList.add("gone");
  } else say(error.message, true);
}

function showLine() {
  if (gone) return;
  showStatus({ box: get("status"), line: get("text"), said: get("said"), bar: get("progress"), stopButton: get("stop"), againButton: get("again") }, state, problem);
}

/** Do something on the server after all that was done before. */
function inOrder(step) {
  queue = queue.then(step).catch(async (error) => {
    failed(error);
    if (error instanceof Refused && !gone) await poll(); // it may have changed in another window
  });
  return queue;
}

const edit = (what) => inOrder(async () => take(await sendEdit(what, state.revision)));

function keepView() {
  clearTimeout(viewTimer);
  viewTimer = setTimeout(() => inOrder(() => sendView(threshold, [...hidden])).then(() => { viewTimer = null; }), 300);
}

/** Wait until the server has all. */
async function idle() {
  if (viewTimer) {
    clearTimeout(viewTimer);
    viewTimer = null;
    inOrder(() => sendView(threshold, [...hidden]));
  }
  await queue;
}

// ---- what is shown

function refresh() {
  tracks = (state?.tracks || []).filter(passes);
  const known = new Set(tracks.map((track) => track.id));
  const fresh = (state?.pending || []).filter((prompt) => !known.has(prompt.id));
  for (const id of [...selected]) if (!known.has(id) && !fresh.some((prompt) => prompt.id === id)) selected.delete(id);
  const rows = [...tracks, ...newObjects(fresh)];
  timeline.fill(rows, { frames: state.frames, ready: state.frames_ready, fps: state.fps, pending: state.pending || [], hidden });
  table.fill(tracks, hidden);
  const all = state.tracks?.length ?? 0;
  get("shown").textContent = state.tracks ? `${threshold.toFixed(2)} · ${tracks.length} of ${all}` : threshold.toFixed(2);
  const found = Object.values(state.revision < 0 && state.job ? state.proposed || {} : {});
  const many = found.reduce((sum, number) => sum + number, 0);
  get("none").hidden = tracks.length > 0;
  if (many) get("none").textContent = `${many} candidates on ${found.length} frames so far. They are followed through the video now; those that turn out to be the same become one object.`;
  else if (!state.tracks) get("none").textContent = state.job ? "The objects are listed here when the video is segmented." : "There are no objects yet.";
  else if (all) get("none").textContent = "No object has such a score: lower it.";
  else get("none").textContent = state.edits ? "No object is left: draw one, or undo." : "No object was found: draw one.";
  const pending = state.pending || [];
  get("drawn").hidden = pending.length === 0;
  const [objects, frames] = ["id", "frame"].map((name) => new Set(pending.map((prompt) => prompt[name])).size);
  get("drawntext").textContent = `${objects} ${objects === 1 ? "object" : "objects"} on ${frames} ${frames === 1 ? "frame" : "frames"}`;
  get("propagate").disabled = Boolean(state.job);
  showLine();
  showSelection();
  seek(frame);
}

/** Objects that are drawn but not propagated yet, as rows of the timeline. */
function newObjects(prompts) {
  return [...new Set(prompts.map((prompt) => prompt.id))].map((id) => {
    const category = prompts.find((prompt) => prompt.id === id && prompt.category)?.category || "new object";
    return { id, category, colour: colourOf(id), runs: [], given: [], confidence: null };
  });
}

function colourOf(id) {
  const track = state?.tracks?.find((one) => one.id === id);
  return track ? track.colour : NEW_COLOUR;
}

function showSelection() {
  const picked = chosen(), many = picked.length;
  get("selection").hidden = many === 0;
  get("who").textContent = picked.map(label).join(", ");
  get("merge").disabled = many < 2;
  get("swap").disabled = many !== 2;
  get("split").disabled = many !== 1 || frame === 0;
  get("absent").disabled = many !== 1;
  get("rename").hidden = many !== 1;
  if (many !== 1) get("range").hidden = true;
  get("hide").textContent = picked.every((track) => hidden.has(track.id)) ? "Show" : "Hide";
  if (many === 1 && document.activeElement !== get("category")) get("category").value = picked[0].category;
  const target = tools.tool === "select" || many > 0 ? "" : [...selected].map((id) => `Draw #${id} on more frames, if you like; then Propagate.`).join("");
  if (state?.revision === -1) get("toolline").textContent = "";
  else get("toolline").textContent = target || (many > 1 && tools.tool !== "select" ? "Several are selected: select the one to draw." : HINTS[tools.tool]);
}

function redraw() {
  if (!redrawing) redrawing = requestAnimationFrame(() => { redrawing = 0; drawNow(); });
}

function drawNow() {
  if (!state?.width) return;
  const found = masks.get(frame), drawn = new Map(pendingHere().filter((one) => one.mask).map((one) => [one.id, one]));
  const objects = [];
  if (state.revision < 0) {
    for (const [id, counts] of Object.entries(proposed.get(frame))) objects.push({ id: Number(id), colour: CANDIDATES[(id - 1) % CANDIDATES.length], counts, selected: false, drawn: false });
  }
  for (const id of new Set([...drawn.keys(), ...tracks.map((track) => track.id)])) {
    const counts = drawn.get(id)?.mask.counts ?? found?.[id];
    if (counts && !hidden.has(id)) objects.push({ id, colour: colourOf(id), counts, selected: selected.has(id), drawn: drawn.has(id) });
  }
  objects.sort((a, b) => b.selected - a.selected); // what is worked on is on top
  const prompts = [...pendingHere().filter((one) => !hidden.has(one.id)).map((one) => ({ ...one, colour: colourOf(one.id) })), ...sketch];
  const image = images.get(frame, state.frames_ready);
  view.draw({ image, objects, prompts, focus: selected.size > 0, hover: hovered });
  get("objects").dataset.frame = image && (found || state.revision < 0) ? frame : "";
  for (let next = 1; next <= AHEAD; next++) images.get((frame + next) % state.frames, state.frames_ready);
  masks.get(Math.min(frame + AHEAD, state.frames - 1));
  const visible = new Set(tracks.filter((track) => track.runs.some(([first, last]) => first <= frame && frame <= last)).map((track) => track.id));
  table.mark(selected, hovered, visible);
  timeline.mark(frame, selected, hovered);
}

function seek(to) {
  if (!state?.frames) return;
  const number = Number.isFinite(to) ? Math.round(to) : frame;
  frame = Math.min(Math.max(number, 0), state.frames - 1);
  get("scrub").value = frame;
  if (document.activeElement !== get("frame")) get("frame").value = frame;
  const seconds = state.times ? state.times[frame] : state.fps ? frame / state.fps : null;
  get("time").textContent = seconds === null ? "" : `${seconds.toFixed(2)} s`;
  get("split").disabled = chosen().length !== 1 || frame === 0;
  get("discard").hidden = pendingHere().length === 0;
  redraw();
}

function select(id, more = false) {
  if (more && !id) return;
  if (more && selected.has(id)) selected.delete(id);
  else {
    if (!more) selected.clear();
    if (id) selected.add(id);
  }
  showSelection();
  if (selected.has(id)) for (const list of [timeline, table]) list.reveal(id);
  redraw();
}

function hover(id) {
  if (id === hovered) return;
  hovered = id;
  redraw();
}

function toggle(ids) {
  const show = ids.every((id) => hidden.has(id));
  for (const id of ids) hidden[show ? "delete" : "add"](id);
  keepView();
  refresh();
}

let toastTimer = null;
function say(text, wrong = false) {
  const toast = get("toast");
  toast.textContent = text;
  toast.className = wrong ? "error" : "";
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { toast.hidden = true; }, 6000);
}

// ---- playing

function play(on) {
  if (playing) clearTimeout(playing);
  playing = null;
  get("play").textContent = on ? "\u275A\u275A" : "\u25B6\uFE0E";
  get("play").setAttribute("aria-label", on ? "Pause" : "Play");
  if (!on || !state?.frames) return;
  const tick = () => {
    const next = (frame + 1) % state.frames;
    const there = images.get(next, state.frames_ready) && masks.get(next);
    if (there) seek(next);
    const seconds = state.times ? (state.times[frame + 1] ?? state.times[frame] + 0.04) - state.times[frame] : 1 / (state.fps || 12);
    playing = setTimeout(tick, there ? Math.min(Math.max(1000 * seconds, 15), 2000) : 60);
  };
  playing = setTimeout(tick, 0);
}

// ---- drawing

const target = () => (selected.size === 1 ? [...selected][0] : null);
const tools = new Tools(view, {
  target,
  colourOf,
  select,
  hover,
  say,
  redraw: (lines) => { sketch = lines; drawNow(); },
  maskOf: (id) => pendingHere().find((one) => one.id === id && one.mask)?.mask.counts ?? masks.get(frame)?.[id] ?? "",
  promptOf: (id) => pendingHere().find((one) => one.id === id) ?? null,
  frozen: () => {
    if (!state || state.revision === -1) say("wait until the video is segmented");
    else if (state.job) say("this video is being worked on: wait, or stop that first");
    else if (selected.size > 1) say("several objects are selected: select the one to draw");
    else return false;
    return true;
  },
  point: (event, radius) => {
    const ring = get("ring");
    ring.hidden = !radius;
    Object.assign(ring.style, { left: `${event.clientX}px`, top: `${event.clientY}px`, width: `${2 * radius}px`, height: `${2 * radius}px` });
  },
  // The mask is made when it is this step's turn: it builds on what the steps before left.
  draw: (make) => {
    const at = frame;
    inOrder(async () => {
      const id = target();
      if (frame !== at || selected.size > 1) return;
      const made = make(id);
      sketch = [];
      if (typeof made === "string") {
        say(made);
        redraw();
        return;
      }
      const category = id === null || !tracks.some((track) => track.id === id) ? get("newname").value.trim() || null : null;
      const next = await sendEdit({ type: "prompt", frame: at, id, category, ...made }, state.revision);
      if (id === null) {
        selected.clear();
        selected.add(next.pending.at(-1).id);
      }
      take(next);
      timeline.reveal([...selected][0]);
    });
  },
});

function useTool(name) {
  tools.tool = name;
  for (const button of document.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === name));
  document.body.dataset.tool = name;
  get("draw").hidden = name === "select";
  get("sizer").hidden = name !== "brush" && name !== "erase";
  get("ring").hidden = true;
  if (name !== "select") play(false);
  showSelection();
}

// ---- buttons and keys

const ids = () => chosen().map((track) => track.id);
const remove = () => ids().forEach((id) => edit({ type: "delete", id }));
const merge = () => { if (ids().length > 1) edit({ type: "merge", ids: ids() }); else say("select the objects that are one: with Shift several"); };
const undo = () => edit({ type: "undo" });
const redo = () => edit({ type: "redo" });
const discard = () => pendingHere().filter((one) => selected.size === 0 || selected.has(one.id)).forEach(({ id }) => edit({ type: "withdraw", id, frame }));
const propagate = () => { if (state?.pending?.length && !state.job) edit({ type: "propagate" }).then(poll); };
const server = (name) => inOrder(async () => take(await act(name))).then(poll);
const compare = () => {
  const on = get("original").hidden;
  get("original").hidden = !on;
  get("side").setAttribute("aria-pressed", String(on));
  redraw();
};
const next = (step) => {
  if (!tracks.length) return;
  const found = tracks.findIndex((track) => selected.has(track.id)), place = found < 0 && step < 0 ? 0 : found;
  select(0);
  select(tracks[(place + step + tracks.length) % tracks.length].id);
};

const clicks = {
  back: () => seek(frame - 1), forth: () => seek(frame + 1), play: () => play(!playing), side: compare, undo, redo, discard, propagate,
  stop: () => server("stop"), again: () => server("segment"), hide: () => toggle(ids()), delete: remove, merge,
  swap: () => edit({ type: "swap", a: ids()[0], b: ids()[1], frame }),
  split: () => edit({ type: "split", id: ids()[0], frame }),
  absent: () => { get("range").hidden = !get("range").hidden; get("from").value = get("to").value = frame; },
  export: () => openExport(() => `${tracks.length} ${tracks.length === 1 ? "object" : "objects"}: those with a score of ${threshold.toFixed(2)} or more, and those that people corrected. Hidden ones are among them.`).catch(failed),
  download: () => download(idle, () => threshold),
  more: () => get("help").showModal(),
  restart: () => { if (!state?.edits || confirm("Segment the video again? The corrections are gone then.")) { get("help").close(); server("segment"); } },
};
for (const [id, action] of Object.entries(clicks)) get(id).addEventListener("click", action);
for (const button of document.querySelectorAll("[data-tool]")) button.addEventListener("click", () => useTool(button.dataset.tool));
get("scrub").addEventListener("input", () => seek(Number(get("scrub").value)));
get("frame").addEventListener("change", () => { if (get("frame").value !== "") seek(Number(get("frame").value)); get("frame").value = frame; });
get("size").addEventListener("input", () => { tools.radius = Number(get("size").value); });
get("threshold").addEventListener("input", () => {
  if (state === null) return;  // else the server would take it that nothing is hidden
  threshold = Number(get("threshold").value);
  keepView();
  refresh();
});
get("rename").addEventListener("submit", (event) => {
  event.preventDefault();
  const category = get("category").value.trim(), [track] = chosen();
  if (!category) say("give the category a name");
  else if (category !== track.category) edit({ type: "rename", id: track.id, category });
  get("category").blur();
});
get("range").addEventListener("submit", (event) => {
  event.preventDefault();
  const [first, last] = ["from", "to"].map((id) => Number(get(id).value)).sort((a, b) => a - b);
  edit({ type: "not_visible", id: ids()[0], first, last });
  get("range").hidden = true;
});

const keys = {
  " ": () => play(!playing), ArrowLeft: (e) => seek(frame - (e.shiftKey ? 10 : 1)), ArrowRight: (e) => seek(frame + (e.shiftKey ? 10 : 1)),
  Home: () => seek(0), End: () => seek(state.frames - 1), v: () => useTool("select"), b: () => useTool("brush"), e: () => useTool("erase"),
  r: () => useTool("box"), p: () => useTool("point"), Delete: remove, Backspace: remove, h: () => { if (ids().length) toggle(ids()); }, m: merge,
  c: () => { if (ids().length === 1) get("category").select(); }, n: (e) => next(e.shiftKey ? -1 : 1), s: compare, Enter: propagate,
  "[": () => resize(-2), "]": () => resize(2), Escape: () => { select(0); useTool("select"); }, "?": clicks.more,
};
function resize(by) {
  get("size").value = Number(get("size").value) + by;
  tools.radius = Number(get("size").value);
}
for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, () => { follows = false; }, true);
document.addEventListener("keydown", (event) => {
  if (!state || gone || document.querySelector("dialog[open]")) return;
  const field = event.target.closest("input:not([type=range]), select, textarea");
  if (event.key === "Escape") field?.blur();
  if (field) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if ((event.ctrlKey || event.metaKey) && (key === "z" || key === "y")) {
    event.preventDefault();
    if (key === "y" || event.shiftKey) { if (state.redo) redo(); } else if (state.undo) undo();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || !keys[key]) return;
  if ((key === "Enter" || key === " ") && event.target.closest("button, a")) return;
  event.preventDefault();
  keys[key](event);
});

const ring = document.createElement("div");
ring.id = "ring";
ring.hidden = true;
document.body.append(ring);
view.canvas.addEventListener("pointerleave", () => { ring.hidden = true; });
window.addEventListener("resize", () => { if (state) refresh(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });
window.addEventListener("beforeunload", (event) => { if (viewTimer) { idle(); event.preventDefault(); } });
prepareHelp("All is kept on the server as you do it: this page's address opens it again.", failed);
useTool("select");
play(false);
poll();
