// What the page asks its server for. Addresses are relative: the page may be under the path of a proxy.

/** An answer that says what is wrong; `gone` if the video is. */
export class Refused extends Error {
  constructor(text, gone) {
    super(text);
    this.gone = gone;
  }
}

/** The server does not answer. */
export class Unreachable extends Error {}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw new Unreachable("no connection to the server");
  }
  if (answer.ok) return answer;
  let content = {};
  try { content = await answer.json(); } catch { /* not ours: a proxy's page */ }
  if (!content.error && answer.status >= 502) throw new Unreachable("no connection to the server");
  throw new Refused(content.error || `the server answered ${answer.status}`, Boolean(content.gone));
}

const post = (path, content) => ask(path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content),
});

export const getState = async (revision) => (await ask(`state?revision=${revision}`)).json();
export const getMasks = async (start, stop) => (await ask(`masks?start=${start}&stop=${stop}`)).json();
export const getFormats = async () => (await (await ask("export")).json()).formats;
export const sendEdit = async (edit, revision) => (await post("edit", { edit, revision })).json();
export const sendView = async (threshold, hidden) => (await post("view", { threshold, hidden })).json();
export const act = async (name) => (await post(name, {})).json();

/** A file of the result: its name, contents, and lines on what its format does not hold. */
export async function getExport(format, score, frames) {
  const answer = await ask(`export?format=${encodeURIComponent(format)}&score=${score}&frames=${frames ? 1 : 0}`);
  const header = answer.headers.get("Content-Disposition") || "";
  const encoded = /filename\*=utf-8''([^;]+)/i.exec(header), plain = /filename="([^"]+)"/.exec(header);
  const name = encoded ? decodeURIComponent(encoded[1]) : plain ? plain[1] : format;
  return { name, blob: await answer.blob(), notes: JSON.parse(answer.headers.get("X-Notes") || "[]") };
}
