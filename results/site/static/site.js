/* bnnbench site: filters in the address, sortable tables, ages. Works without; nothing is fetched. */
"use strict";
(() => {
  const parameters = () => new URLSearchParams(location.search);

  function go(changes, push) {
    const query = parameters();
    for (const [name, value] of Object.entries(changes)) {
      if (value === "" || value === null) query.delete(name);
      else query.set(name, value);
    }
    const text = query.toString();
    const address = location.pathname + (text ? "?" + text : "") + location.hash;
    try {
      history[push ? "pushState" : "replaceState"](null, "", address);
    } catch { /* a file:// page may not */ }
    document.dispatchEvent(new CustomEvent("bnnbench:query"));
  }

  // Filters: <form data-filters="TABLE">; rows have data-NAME with values apart by line ends.
  function filters(form) {
    const table = document.getElementById(form.dataset.filters);
    if (!table) return;
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
    const output = form.querySelector("output");
    const controls = [...form.elements].filter((control) => control.name);

    function matches(row, control, wanted) {
      if (control.type === "search") return row.textContent.toLowerCase().includes(wanted.toLowerCase());
      return (row.dataset[control.name] || "").split("\n").includes(wanted);
    }

    function apply() {
      const query = parameters();
      for (const control of controls) {
        const wanted = query.get(control.name) || "";
        if (control.type === "checkbox") control.checked = wanted === control.value;
        else if (control.value !== wanted) control.value = wanted;
      }
      let shown = 0;
      for (const row of rows) {
        const fits = controls.every((control) => {
          const wanted = query.get(control.name) || "";
          return wanted === "" || matches(row, control, wanted);
        });
        row.hidden = !fits;
        if (fits) shown += 1;
      }
      if (output) output.textContent = shown === rows.length ? `${rows.length} rows` : `${shown} of ${rows.length} rows`;
    }

    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => {
      const control = event.target;
      const value = control.type === "checkbox" && !control.checked ? "" : control.value;
      // Each choice is a step of the history; the letters of a search are not.
      go({ [control.name]: value }, control.type !== "search");
    });
    document.addEventListener("bnnbench:query", apply);
    apply();
  }

  // Sorting: <table class="sortable">; a cell's data-v is what it is sorted by, th.num is numeric.
  function sortable(table) {
    const body = table.tBodies[0];
    if (!table.tHead || !body || body.rows.length < 2) return;
    const rows = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    const value = (row, column) => {
      const cell = row.cells[column];
      if (!cell) return "";
      return cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v;
    };

    function sort(column, direction) {
      const numeric = heads[column].classList.contains("num");
      for (const head of heads) head.removeAttribute("aria-sort");
      let sorted = [...rows];
      if (direction) {
        heads[column].setAttribute("aria-sort", direction);
        const sign = direction === "ascending" ? 1 : -1;
        sorted.sort((a, b) => {
          const x = value(a, column), y = value(b, column);
          if (x === "" || y === "") return (x === "") - (y === ""); // what is missing stays last
          return sign * (numeric ? Number(x) - Number(y) : x.localeCompare(y, "en", { numeric: true }));
        });
      }
      body.append(...sorted);
    }

    heads.forEach((head, column) => {
      if (!head.textContent.trim() || head.hasAttribute("data-unsorted")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        sort(column, { ascending: "descending", descending: null }[head.getAttribute("aria-sort")] ?? (
          head.hasAttribute("aria-sort") ? null : "ascending"));
      });
    });
  }

  // Ages: the page may be old when it is read.
  function ages() {
    const now = Date.now();
    for (const element of document.querySelectorAll("time[data-age]")) {
      const minutes = Math.max(0, (now - Date.parse(element.dateTime)) / 60000);
      if (Number.isNaN(minutes)) continue;
      const [amount, unit] = minutes < 60 ? [minutes, "minute"] : minutes < 2880 ? [minutes / 60, "hour"]
        : [minutes / 1440, "day"];
      const whole = Math.floor(amount);
      element.title = element.dateTime;
      element.textContent = `${whole} ${unit}${whole === 1 ? "" : "s"} ago`;
    }
  }

  for (const form of document.querySelectorAll("form[data-filters]")) filters(form);
  for (const table of document.querySelectorAll("table.sortable")) sortable(table);
  ages();
  addEventListener("popstate", () => document.dispatchEvent(new CustomEvent("bnnbench:query")));
  window.bnnbench = { parameters, go };
})();
