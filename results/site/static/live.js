// What runs now, on every page of `bnnbench serve`: told by server-sent events.
"use strict";
(() => {
  const root = document.body.dataset.root ?? "";

  const percent = (share) => `${Math.round(share * 100)} %`;

  const line = (run) => {
    const item = document.createElement("li");
    const text = document.createElement("span");
    text.textContent = `${run.suite} on ${run.device}: ${run.done} of ${run.planned} done, run ${run.run}`;
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.value = run.share;
    bar.textContent = percent(run.share);
    bar.setAttribute("aria-label", `${run.suite} on ${run.device}`);
    item.append(text, " ", bar);
    return item;
  };

  const start = () => {
    const box = document.createElement("section");
    box.className = "live";
    box.hidden = true;
    box.setAttribute("aria-label", "Running now");
    const title = document.createElement("h2");
    title.textContent = "Running now";
    const list = document.createElement("ul");
    const note = document.createElement("p");
    note.className = "note";
    const status = document.createElement("p"); // says when a run begins or ends, not each step
    status.className = "unseen";
    status.setAttribute("role", "status");
    box.append(title, list, note);
    const main = document.getElementById("main");
    main.append(status);
    main.querySelector("h1")?.after(box);

    let before = null;
    const show = ({ runs, timed_here: timed }) => {
      list.replaceChildren(...runs.map(line));
      note.textContent = timed
        ? "A benchmark is being timed on this machine. Pages are not drawn anew until it ends, so they may be older than the store."
        : "";
      note.hidden = !timed;
      box.hidden = !runs.length && !timed;
      const now = [...new Set(runs.map((run) => run.run))];
      if (before !== null && before.some((run) => !now.includes(run))) {
        status.textContent = "A run has ended. Reload the page to see it.";
        note.textContent ||= status.textContent;
        note.hidden = box.hidden = false;
      } else if (before !== null && now.some((run) => !before.includes(run))) {
        status.textContent = "A run has begun.";
      }
      before = now;
    };

    const events = new EventSource(`${root}events`);
    events.addEventListener("running", (event) => show(JSON.parse(event.data)));
    window.addEventListener("pagehide", () => events.close());
  };

  document.addEventListener("DOMContentLoaded", start);
})();
