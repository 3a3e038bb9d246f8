// Frames and masks near the one that is shown, as far as they were asked for.

import { getMasks } from "./server.js";

const CHUNK = 16, MOST_CHUNKS = 40, MOST_IMAGES = 80;

/** Pictures of frames. */
export class Images {
  constructor(changed) {
    this.changed = changed;
    this.known = new Map();
  }

  /** The picture of a frame, or null until it is there; `changed` is called then. */
  get(index, ready) {
    if (index < 0 || index >= ready) return null;
    let image = this.known.get(index);
    if (image) this.known.delete(index);
    else {
      image = new Image();
      image.onload = () => this.changed();
      image.onerror = () => this.known.delete(index); // asked for again when it is shown again
      image.src = `frames/${index}.jpg`;
    }
    this.known.set(index, image); // the last one asked for is the last to go
    if (this.known.size > MOST_IMAGES) this.known.delete(this.known.keys().next().value);
    return image.complete && image.naturalWidth ? image : null;
  }
}

/** What is proposed on the key frames while the first result is computed. */
export class Proposed {
  /** `arrived(frame)` is called. */
  constructor(arrived) {
    this.arrived = arrived;
    this.known = new Map();
  }

  /** `counts` are the numbers of candidates by frame; those of the others are fetched. */
  async fetch(counts) {
    for (const index of Object.keys(counts).map(Number).filter((one) => !this.known.has(one))) {
      this.known.set(index, {});
      try {
        this.known.set(index, (await getMasks(index, index + 1)).frames[0]);
        this.arrived(index);
      } catch {
        this.known.delete(index); // no connection: the next state asks again
      }
    }
  }

  get(index) {
    return this.known.get(index) || {};
  }
}

/** Masks of frames: `{id: runs}`. */
export class Masks {
  constructor(changed) {
    this.changed = changed;
    this.chunks = new Map();
    this.revision = -1;
  }

  /** The result has changed. What is known is shown until what is new has come. */
  renew(revision) {
    if (revision === this.revision) return;
    this.revision = revision;
    for (const chunk of this.chunks.values()) chunk.old = true;
  }

  /** Masks of a frame, or null until they are there; `changed` is called then. */
  get(index) {
    if (this.revision < 0) return {};
    const number = Math.floor(index / CHUNK);
    let chunk = this.chunks.get(number) || { frames: null, old: true, loading: null };
    this.chunks.delete(number);
    this.chunks.set(number, chunk);
    if (this.chunks.size > MOST_CHUNKS) this.chunks.delete(this.chunks.keys().next().value);
    if (chunk.old && chunk.loading !== this.revision) this.load(number, chunk);
    return chunk.frames ? chunk.frames[index % CHUNK] || {} : null;
  }

  async load(number, chunk) {
    chunk.loading = this.revision;
    let wait = 0;
    try {
      const found = await getMasks(number * CHUNK, (number + 1) * CHUNK);
      chunk.frames = found.frames;
      chunk.old = found.revision !== this.revision;
      if (chunk.old) wait = 500; // the state follows
    } catch {
      wait = 1500; // no connection: not too often
    }
    setTimeout(() => {
      chunk.loading = null;
      this.changed();
    }, wait);
  }
}
