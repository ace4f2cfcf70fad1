/* bnnbench site: charts by Vega-Lite, for mouse, keyboard and screen reader. No expression is compiled (the interpreter
   walks them), and nothing can be loaded. */
"use strict";
(() => {
  const block = document.getElementById("data-specs");
  if (!block || !window.vega || !window.vegaLite) return;
  const specs = JSON.parse(block.textContent);
  const refuse = () => Promise.reject(new Error("charts load nothing"));
  const loader = { load: refuse, sanitize: refuse, http: refuse, file: refuse };
  const config = {
    background: "transparent",
    font: "system-ui, sans-serif",
    view: { stroke: "transparent" },
    axis: {
      labelColor: "var(--chart-muted)", titleColor: "var(--chart-muted)", gridColor: "var(--chart-grid)",
      domainColor: "var(--chart-link)", tickColor: "var(--chart-link)", labelFontSize: 11, titleFontSize: 11,
      titleFontWeight: "normal", labelOverlap: true, labelFlush: true,
    },
    legend: { labelColor: "var(--chart-ink)", titleColor: "var(--chart-muted)", labelFontSize: 11, titleFontSize: 11,
      titleFontWeight: "normal", orient: "top", symbolSize: 60 },
    text: { color: "var(--chart-ink)", fontSize: 11 },
    point: { filled: true, size: 28 },
    line: { strokeWidth: 1.4 },
    rule: { color: "var(--chart-muted)" },
    header: { labelColor: "var(--chart-ink)", titleColor: "var(--chart-muted)" },
  };
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("aria-hidden", "true");
  tip.hidden = true;
  document.body.append(tip);

  function show(text, x, y) {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(4, x + 12), document.documentElement.clientWidth - box.width - 4);
    tip.style.left = `${Math.max(4, left) + scrollX}px`;
    tip.style.top = `${(y + box.height + 20 > innerHeight ? y - box.height - 12 : y + 14) + scrollY}px`;
  }
  const hide = () => { tip.hidden = true; };

  async function draw(figure) {
    const spec = specs[figure.dataset.spec];
    if (!spec) return;
    const place = figure.querySelector(".drawing");
    const output = figure.querySelector(".value");
    const meta = spec.usermeta || {};
    const points = (spec.datasets || {})[meta.points] || [];
    place.hidden = false;

    const compiled = window.vegaLite.compile({ autosize: { type: "fit-x", contains: "padding" }, width: "container",
      ...spec, config: { ...config, ...(spec.config || {}) } }, { logger: window.vega.logger(window.vega.Error) });
    const runtime = window.vega.parse(compiled.spec, null, { ast: true });
    let view = null;
    let at = -1;

    async function render() {
      if (view) view.finalize();
      view = new window.vega.View(runtime, { loader, renderer: "svg", expr: window.vegaInterpreter, hover: false });
      view.logLevel(window.vega.Error);
      view.tooltip((handler, event, item, value) => {
        const text = item && item.datum && item.datum.say;
        if (value === null || value === undefined || !text) hide();
        else show(text, event.clientX, event.clientY);
      });
      view.initialize(place).hover();
      if (place.clientWidth) view.width(place.clientWidth);
      await update();
    }

    async function update() {
      await view.runAsync();
      // Groups of marks have no name; each mark in them has.
      for (const group of place.querySelectorAll("g[role='graphics-symbol']:not([aria-label])")) {
        group.removeAttribute("role");
        group.removeAttribute("aria-roledescription");
      }
    }

    function mark(index) {
      at = index;
      try { view.signal("focus", index); update(); } catch { /* a chart without a mark for the focus */ }
    }

    function walk(index) {
      if (!points.length) return;
      mark(Math.min(Math.max(index, 0), points.length - 1));
      const point = points[at];
      output.textContent = `${at + 1} of ${points.length}: ${point.say}` + (point.href ? " · Enter opens the run" : "");
    }

    function zoom(factor) {
      const name = meta.zoom;
      if (!name) return;
      const domain = view.scale("x").domain().map(Number);
      const middle = (domain[0] + domain[1]) / 2, half = (domain[1] - domain[0]) / 2 / factor;
      view.signal(name, [middle - half, middle + half]);
      update();
    }

    await render();
    figure.classList.add("drawn");
    place.tabIndex = 0;
    place.setAttribute("role", "application");
    place.setAttribute("aria-roledescription", "chart");
    const keys = points.length ? ` Arrow keys walk through ${points.length} points.` : "";
    place.setAttribute("aria-label", `${figure.dataset.label}.${keys}`);
    place.addEventListener("keydown", (event) => {
      const step = { ArrowRight: at + 1, ArrowLeft: at < 0 ? points.length - 1 : at - 1, Home: 0, End: points.length - 1,
        PageDown: at + 10, PageUp: at - 10, ArrowUp: at - 1, ArrowDown: at + 1 }[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (step !== undefined) walk(step);
      else if (event.key === "+") zoom(1.6);
      else if (event.key === "-") zoom(1 / 1.6);
      else if (event.key === "0") render();
      else if (event.key === "Escape") { mark(-1); output.textContent = ""; hide(); return; }
      else if (event.key === "Enter" && at >= 0 && points[at].href) { location.assign(points[at].href); }
      else return;
      event.preventDefault();
    });
    place.addEventListener("blur", () => mark(-1));
    place.addEventListener("click", (event) => {
      const item = event.target.__data__;
      const href = item && item.datum && item.datum.href;
      if (href) location.assign(href);
    });
    if (meta.zoom) buttons(figure, { "Zoom in": () => zoom(1.6), "Zoom out": () => zoom(1 / 1.6), "Reset": render });
    let width = place.clientWidth;
    new ResizeObserver(() => {
      if (Math.abs(place.clientWidth - width) < 2) return;
      width = place.clientWidth;
      view.width(width);
      update();
    }).observe(place);
  }

  function buttons(figure, actions) {
    const bar = document.createElement("p");
    bar.className = "tools";
    for (const [title, action] of Object.entries(actions)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = title;
      button.addEventListener("click", action);
      bar.append(button);
    }
    const hint = document.createElement("span");
    hint.textContent = "Drag moves, Ctrl and wheel zooms; keys: arrows, +, -, 0, Enter";
    bar.append(hint);
    figure.querySelector(".drawing").after(bar);
  }

  function start(figure) {
    draw(figure).catch((error) => {
      figure.querySelector(".drawing").hidden = true;
      figure.querySelector("details").open = true;
      console.error(error);
    });
  }

  for (const figure of document.querySelectorAll("figure.chart[data-spec]")) {
    const closed = figure.parentElement.closest("details:not([open])");
    if (closed) closed.addEventListener("toggle", () => start(figure), { once: true });
    else start(figure);
  }
})();
