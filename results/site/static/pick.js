// The pick of the models page: the choice that results/pick.py would name for the same choices and budgets.
"use strict";
(() => {
  // As `_rank` of results/pick.py: objectives in the order that decides; a missing figure comes last.
  const compare = (objectives) => (one, other) => {
    for (const { key, smaller_is_better: smaller } of objectives) {
      const [mine, theirs] = [one.figures[key], other.figures[key]];
      if ((mine === null) !== (theirs === null)) return mine === null ? 1 : -1;
      if (mine === null || mine === theirs) continue;
      return mine < theirs === smaller ? -1 : 1;
    }
    return 0;
  };

  const fits = (choice, objective, budget) => {
    const value = choice.figures[objective.key];
    if (value === null) return false;
    return objective.smaller_is_better ? value <= budget : value >= budget;
  };

  // The better choice that asks for the least of one budget when the others stay.
  const moved = (ordered, asked, objective, best, order) => {
    const others = asked.filter(([other]) => other !== objective);
    const budget = asked.find(([other]) => other === objective)[1];
    const better = ordered.filter(
      (choice) =>
        (best === null || order(choice, best) < 0) &&
        choice.figures[objective.key] !== null &&
        !fits(choice, objective, budget) &&
        others.every(([other, its]) => fits(choice, other, its)),
    );
    if (!better.length) return null;
    const sign = objective.smaller_is_better ? 1 : -1;
    const nearest = better.reduce((found, choice) => {
      const step = sign * (choice.figures[objective.key] - found.figures[objective.key]);
      return step < 0 || (step === 0 && order(choice, found) < 0) ? choice : found;
    });
    return { objective: objective.key, budget: nearest.figures[objective.key], choice: nearest };
  };

  // `budgets` maps names such as max_latency_ns to numbers; what it lacks is no budget.
  const pick = (choices, objectives, budgets) => {
    const asked = objectives.filter((one) => budgets[one.budget] !== undefined).map((one) => [one, budgets[one.budget]]);
    const order = compare(objectives);
    const ordered = [...choices].sort(order);
    const fitting = ordered.filter((choice) => asked.every(([objective, budget]) => fits(choice, objective, budget)));
    const best = fitting[0] ?? null;
    return {
      best,
      next_best: fitting[1] ?? null,
      fitting: fitting.length,
      considered: choices.length,
      unknown: choices.filter((choice) => asked.some(([objective]) => choice.figures[objective.key] === null)).length,
      moved: asked.map(([objective]) => moved(ordered, asked, objective, best, order)).filter((one) => one !== null),
    };
  };

  const parameters = () => new URLSearchParams(window.location.search);

  const start = (root) => {
    const { objectives, groups } = JSON.parse(document.getElementById(root.dataset.pick).textContent);
    const chosen = root.querySelector("select");
    const result = root.querySelector("[data-pick-result]");
    const more = root.querySelector("[data-pick-moved]");
    const command = root.querySelector("[data-pick-command]");
    const sliders = objectives.map((objective) => ({
      objective,
      input: root.querySelector(`input[name="${objective.budget}"]`),
      shown: root.querySelector(`output[data-of="${objective.budget}"]`),
      exact: null, // the budget of the address, where it is no step
    }));

    // The last place of a slider is no budget: to the right for all, so that right always means more choices.
    const budgetOf = ({ objective, input, exact }) => {
      if (exact !== null) return exact;
      const step = objective.steps[Number(input.value)];
      return step === undefined ? undefined : step[0];
    };
    const said = (slider) => {
      const budget = budgetOf(slider);
      if (budget === undefined) return "no budget";
      const { objective } = slider;
      const step = objective.steps.find(([value]) => value === budget);
      return `${objective.smaller_is_better ? "at most" : "at least"} ${step ? step[1] : plain(objective, budget)}`;
    };
    const plain = ({ unit }, value) => (unit === "share" ? `${value * 100} %` : `${value} ${unit}`);

    const read = () => {
      const query = parameters();
      if (query.has("group") && groups[query.get("group")]) chosen.value = query.get("group");
      for (const slider of sliders) {
        const { objective, input } = slider;
        const text = query.get(objective.budget);
        const value = text === null || text.trim() === "" ? NaN : Number(text);
        slider.exact = null;
        input.value = String(objective.steps.length);
        if (!Number.isFinite(value) || value < 0) continue;
        const place = objective.steps.findIndex(([step]) => step === value);
        if (place >= 0) input.value = String(place);
        else {
          slider.exact = value;
          const beyond = objective.steps.findIndex(([step]) => (objective.smaller_is_better ? step > value : step < value));
          input.value = String(beyond < 0 ? objective.steps.length - 1 : beyond);
        }
      }
    };

    const write = () => {
      const query = parameters();
      query.set("group", chosen.value);
      for (const slider of sliders) {
        const budget = budgetOf(slider);
        if (budget === undefined) query.delete(slider.objective.budget);
        else query.set(slider.objective.budget, String(budget));
      }
      window.history.replaceState(null, "", `?${query}${window.location.hash}`);
    };

    const words = (choice) => `${choice.name}: ${[...choice.texts, choice.trust].filter(Boolean).join(", ")}`;

    const show = () => {
      const group = groups[chosen.value];
      const budgets = {};
      for (const slider of sliders) {
        const budget = budgetOf(slider);
        if (budget !== undefined) budgets[slider.objective.budget] = budget;
        slider.shown.textContent = said(slider);
        slider.input.setAttribute("aria-valuetext", said(slider));
      }
      const made = pick(group.choices, objectives, budgets);
      const unknown = made.unknown ? `; ${made.unknown} have no figure for a budget` : "";
      result.textContent = made.best
        ? `${words(made.best)} (${made.fitting} of ${made.considered} fit${unknown})`
        : `Nothing fits: none of ${made.considered} choices keeps the budgets${unknown}.`;
      result.dataset.best = made.best ? made.best.name : "";
      more.replaceChildren(
        ...made.moved.map((one) => {
          const objective = objectives.find(({ key }) => key === one.objective);
          const item = document.createElement("li");
          item.textContent = `With another budget for ${objective.label}: ${words(one.choice)}`;
          return item;
        }),
      );
      more.hidden = !made.moved.length;
      command.textContent = typed(group, budgets);
    };

    // The command line's units have factors that keep these numbers: ns, B, and a share.
    const typed = (group, budgets) => {
      const units = { share: "", ns: "ns", bytes: "B" };
      const options = sliders
        .filter(({ objective }) => budgets[objective.budget] !== undefined)
        .map(({ objective }) => `--${objective.option} ${budgets[objective.budget]}${units[objective.unit] ?? ""}`);
      return [group.command, ...options].join(" ");
    };

    for (const slider of sliders) {
      slider.input.max = String(slider.objective.steps.length);
      slider.input.disabled = !slider.objective.steps.length;
      slider.input.addEventListener("input", () => {
        slider.exact = null;
        show();
        write();
      });
    }
    chosen.addEventListener("change", () => {
      show();
      write();
    });
    window.addEventListener("popstate", () => {
      read();
      show();
    });
    root.hidden = false;
    read();
    show();
  };

  window.bnnbenchPick = pick;
  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-pick]").forEach(start));
})();
