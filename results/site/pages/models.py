"""The models page: Pareto fronts per device and data set, and the choice that keeps budgets."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from bnnbench.results.frames import load
from bnnbench.results.metrics import OBJECTIVES
from bnnbench.results.models import COLUMNS, OF_MODELS
from bnnbench.results.pareto import COLUMNS as SPREAD
from bnnbench.results.site.choosing.budgets import data_of, shown
from bnnbench.results.site.choosing.groups import Group, groups
from bnnbench.results.site.page import Page, Planned, digest
from bnnbench.results.site.pages import Kind
from bnnbench.results.site.run_paths import run_paths
from bnnbench.results.site.source import Source
from bnnbench.results.site.tradeoff_chart import objectives_of, tradeoff_chart

PATH = "models.html"


def plan(source: Source) -> Iterable[Planned]:
    """One page, made again when a run of models is new."""
    cases = [case for case in source.cases.values() if case.kind == "model"]
    runs = sorted({case.last_run for case in cases})
    linked = {run: path for run, path in run_paths(source).items() if run in runs}
    made_of = digest(
        sorted((case.path, case.made_of) for case in cases),
        [source.fingerprints.get(run) for run in runs],
        sorted(linked.items()),
    )
    yield Planned(PATH, made_of, partial(_page, source, linked))


def _page(source: Source, linked: dict[str, str]) -> Page:
    columns = list(dict.fromkeys((*COLUMNS, *SPREAD)))
    rows = load(source.store, where=OF_MODELS, columns=columns, since=source.asked.since)
    found = groups(rows, rows, source.asked.published)
    return Page(
        path=PATH,
        template="models.html",
        title="Models",
        context={
            "groups": found,
            "order": [OBJECTIVES[key] for key in shown(found)],
            "charts": {group.key: objectives_of(group) for group in found},
            "names": {key: metric.title for key, metric in OBJECTIVES.items()},
            "linked": linked,
            "devices": list(dict.fromkeys(group.device for group in found)),
            "datasets": list(dict.fromkeys(group.dataset for group in found if group.dataset)),
            "engines": sorted({one.engine for group in found for one in group.choices}),
        },
        specs=_specs(found),
        data={"choices": data_of(found)} if found else {},
        contents=[("pick", "Pick"), ("fronts", "Fronts"), ("choices", "All choices")] if found else [],
        scripts=("pick.js",) if found else (),
    )


def _specs(found: list[Group]) -> dict[str, Any]:
    return {f"{group.key}-{x}-{y}": tradeoff_chart(group, x, y) for group in found for x, y in objectives_of(group)}


KIND = Kind(plan, "Models", PATH)
