"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  if (rows.length < 2) continue;

  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v;
  };
  const compare = (a, b, numeric) =>
    numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });

  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const numeric = head.classList.contains("num");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")] || "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      let sorted = [...rows];
      if (next !== "none") {
        head.setAttribute("aria-sort", next);
        const sign = next === "ascending" ? 1 : -1;
        sorted.sort((a, b) => {
          const x = value(a, column), y = value(b, column);
          // What was not measured stays last in both directions.
          if (x === "" || y === "") return (x === "") - (y === "");
          return sign * compare(x, y, numeric);
        });
      }
      body.append(...sorted);
    });
  });

  if (table.id !== "cases" || rows.length < 9) continue;
  const label = document.createElement("label");
  label.className = "filter";
  label.append("Show only ");
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "workload, device, engine or status";
  const count = document.createElement("span");
  count.setAttribute("role", "status");
  label.append(input);
  const bar = document.createElement("div");
  bar.className = "filter";
  bar.append(label, count);
  label.className = "";
  table.parentElement.before(bar);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = words.length ? `${shown} of ${rows.length}` : "";
  });
}
