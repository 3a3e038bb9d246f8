// The line at the top: what the server does with this video, or what it says.

/** A time in words; empty if it is not known. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 90) return `about ${Math.max(1, Math.round(seconds))} s`;
  return `about ${Math.round(seconds / 60)} min`;
}

const ordinal = (place) => ["", "next in line", "2nd in line", "3rd in line"][place] || `${place}th in line`;

/** The same for the tab of the browser, in as few words. */
export function shortStatus({ job }) {
  if (!job) return "";
  return job.state === "waiting" ? ordinal(job.place) : `${Math.floor(100 * job.share)} %`;
}

/** `{text, kind, share, stop, again}` of a state: what the line shows. */
export function statusOf(state, problem) {
  if (problem) return { text: `${problem}: trying again\u2026`, kind: "error" };
  if (!state) return { text: "Loading\u2026", kind: "busy" };
  const { job, outcome, message, wrong } = state;
  if (job) {
    const time = duration(job.seconds), waits = job.state === "waiting";
    const left = time ? waits ? `, done in ${time}` : `, ${time} left` : waits ? ", its time is not known yet" : "";
    const doing = waits ? `Waiting: ${ordinal(job.place)}${left}` : `${job.text || "Starting"}${left}`;
    return { text: doing, kind: "busy", share: waits ? null : job.share, stop: true };
  }
  if (outcome === "ready") return { text: message, kind: wrong ? "error" : "ok" };
  return { text: message || "not segmented yet", kind: outcome === "failed" ? "error" : "ok", again: true };
}

export function showStatus(elements, state, problem) {
  const { text, kind, share, stop, again } = statusOf(state, problem);
  const { box, line, said, bar, stopButton, againButton } = elements;
  const lines = [text, ...(state?.notes || [])].filter(Boolean);
  box.hidden = lines.length === 0 && !state?.said?.length;
  box.className = kind;
  const wanted = lines.join("\n");
  if (line.textContent !== wanted) line.textContent = wanted;
  const warned = problem ? [] : state?.said || [];
  said.hidden = warned.length === 0;
  if (said.textContent !== warned.join("\n")) said.textContent = warned.join("\n");
  bar.hidden = share === undefined;
  if (share === null) bar.removeAttribute("value");
  else bar.value = share ?? 0;
  stopButton.hidden = !stop;
  againButton.hidden = !again;
}
