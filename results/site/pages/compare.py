"""The compare pages: the last runs of each device and suite with each other, and comparisons with their verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any
from warnings import warn

from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.site.cases import CaseKey, CaseSummary
from bnnbench.results.site.comparing.ab_command import KeptBaseline
from bnnbench.results.site.comparing.details import table
from bnnbench.results.site.comparing.of_runs import compare_runs
from bnnbench.results.site.comparing.of_verdicts import compare_verdicts
from bnnbench.results.site.comparing.overview import CompareOverview, compare_overview
from bnnbench.results.site.comparing.pairs import (
    FOLDER,
    Group,
    device_pairs,
    engine_pairs,
    groups,
    pairs_of_path,
    path_of,
    verdicts_path,
)
from bnnbench.results.site.comparing.rows import Compared
from bnnbench.results.site.comparing.sides import PairName, side_of
from bnnbench.results.site.ecdf_chart import ecdf_chart
from bnnbench.results.site.page import Page, Planned, digest
from bnnbench.results.site.pages import Kind
from bnnbench.results.site.run_paths import run_paths
from bnnbench.results.site.source import Source
from bnnbench.results.site.sparkline import sparkline
from bnnbench.results.store.baselines import Baselines
from bnnbench.results.store.stored_run import StoredRun, read_run

PATH = f"{FOLDER}/index.html"
_READ = 8
"""Runs that are kept in memory while pages are made."""


def plan(source: Source) -> Iterable[Planned]:
    """The list of what is compared, a page for each pair, and one for each comparison run."""
    return source.once("compared", lambda source: list(_planned(source)))


def paths(source: Source) -> set[str]:
    """Of all these pages."""
    return {planned.path for planned in plan(source)}


def _planned(source: Source) -> Iterable[Planned]:
    pages = _Pages(source)
    devices = device_pairs(pages.groups)
    found = compare_overview(source, pages.groups, pages.engine_pairs, devices)
    yield Planned(PATH, found.made_of, partial(pages.overview, found))
    done = set()
    for group in pages.groups:
        others = _others(group)
        of_group = [*group.pairs, *group.against_baselines.values()]
        for pair in [*of_group, *pages.engine_pairs.get((group.device, group.suite), ())]:
            if path_of(pair) not in done:
                done.add(path_of(pair))
                yield pages.pair(pair, others if pair in of_group else {})
        for line in group.comparisons:
            if line.run_id not in done:
                done.add(line.run_id)
                yield pages.verdicts(line.run_id)
    for pair in devices:
        yield pages.pair(pair, {})


def planned_pair(source: Source, path: str) -> Planned | None:
    """The page of two runs that has not been planned, by its path; None where there are no such runs."""
    for pair in pairs_of_path(path):
        if source.line(pair.base.run_id) is not None and source.line(pair.head.run_id) is not None:
            return _Pages(source).pair(pair, {})
    return None


def _others(group: Group) -> dict[str, Any]:
    """The pairs of a group, for the page's choice of another one: its runs with what they are called, and paths by the
    places of base and head."""
    names = {run_id: f"{run_id}, baseline {name}" for name, run_id in group.baselines.items()}
    sides = group.sides
    pairs = [*group.pairs, *group.against_baselines.values()]
    return {
        "sides": [{"run": run_id, "name": names.get(run_id, run_id)} for run_id in sides],
        "paths": {f"{sides.index(pair.base.run_id)} {sides.index(pair.head.run_id)}": path_of(pair) for pair in pairs},
    }


class _Pages:
    """Makes the pages of a source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._kept = [KeptBaseline(one.name, one.run_id, one.kept) for one in Baselines(source.store.path).all()]
        by_name = {one.name: one.run_id for one in self._kept}
        self.groups = groups(source.runs, source.asked.last_runs, by_name)
        self._linked = run_paths(source)
        self._cases_of: dict[str, list[CaseSummary]] = {}
        for case in source.cases.values():
            for run_id in case.recent_runs:
                self._cases_of.setdefault(run_id, []).append(case)
        self.engine_pairs = {(one.device, one.suite): self._engines(one) for one in self.groups if one.runs}
        self._run = lru_cache(_READ)(self._read)
        self._side = lru_cache(_READ * 2)(lambda name: side_of(self._run(name.run_id), name))

    def overview(self, found: CompareOverview) -> Page:
        return Page(
            path=PATH,
            template="compare_overview.html",
            title="Compare",
            context={"found": found, "linked": self._linked},
            contents=[("verdicts", "Verdicts"), ("runs", "Runs"), ("engines", "Engines"), ("devices", "Devices")],
        )

    def pair(self, pair: PairName, others: Mapping[str, Any]) -> Planned:
        states = [self._source.fingerprints.get(side.run_id) for side in (pair.base, pair.head)]
        cases = [case.made_of for side in (pair.base, pair.head) for case in self._cases_of.get(side.run_id, ())]
        kept = [(one.name, sorted(one.engines)) for one in self._kept if one.run_id == pair.base.run_id]
        links = [self._linked.get(side.run_id) for side in (pair.base, pair.head)]
        made_of = digest(pair, states, cases, kept, links, sorted(others.get("paths", {}).items()))
        return Planned(path_of(pair), made_of, partial(self._pair, pair, others))

    def verdicts(self, run_id: str) -> Planned:
        made_of = digest(self._source.fingerprints.get(run_id), self._linked.get(run_id))
        return Planned(verdicts_path(run_id), made_of, partial(self._verdicts, run_id))

    def _pair(self, pair: PairName, others: Mapping[str, Any]) -> Page | None:
        try:
            base, head = self._side(pair.base), self._side(pair.head)
        except StoreError as error:
            warn(StoreWarning(f"{path_of(pair)} is left out: {error}"), stacklevel=2)
            return None
        found = compare_runs(base, head, self._kept, self._case)
        return self._page(path_of(pair), found, [pair.base.run_id, pair.head.run_id], others)

    def _verdicts(self, run_id: str) -> Page | None:
        try:
            run = self._run(run_id)
        except StoreError as error:
            warn(StoreWarning(f"{verdicts_path(run_id)} is left out: {error}"), stacklevel=2)
            return None
        return self._page(verdicts_path(run_id), compare_verdicts(run), [run_id], {})

    def _page(self, path: str, found: Compared, run_ids: Sequence[str], others: Mapping[str, Any]) -> Page:
        specs = {row.id: ecdf_chart(row.details.steps) for row in found.rows if row.details and row.details.steps}
        return Page(
            path=path,
            template="compare.html",
            title=found.title,
            context={
                "found": found,
                "others": others,
                "run_ids": list(dict.fromkeys(run_ids)),
                "linked": self._linked,
                "table": table,
                "spark": _spark,
                "words": list(dict.fromkeys(row.word for row in found.rows)),
                "engines": list(dict.fromkeys(row.engine for row in found.rows)),
                "devices": list(dict.fromkeys(row.device for row in found.rows)),
            },
            specs=specs,
            data={"pairs": others} if others else {},
            contents=_contents(found),
            scripts=("compare.js",),
        )

    def _case(self, row: Mapping[str, Any]) -> CaseSummary | None:
        key = CaseKey(
            str(row["device"]),
            str(row["workload"]),
            str(row["engine"]),
            str(row["variant"] or ""),
            int(row["threads"] or 1),
        )
        return self._source.cases.get(key)

    def _engines(self, group: Group) -> list[PairName]:
        last = group.runs[0].run_id
        mine = [case.engine for case in self._cases_of.get(last, ()) if case.device == group.device]
        return engine_pairs(last, group.device, list(dict.fromkeys(mine)))

    def _read(self, run_id: str) -> StoredRun:
        return read_run(self._source.store.runs_path / run_id)


def _contents(found: Compared) -> list[tuple[str, str]]:
    return [
        ("changes", "Cases"),
        *([("details", "Details")] if found.rows else []),
        *([("left-out", "Not compared")] if found.not_compared else []),
        *([("environment", "What differs")] if found.environment else []),
    ]


def _spark(case: CaseSummary) -> object:
    return sparkline(case.recent, f"last {len(case.recent)} runs")


KIND = Kind(plan, "Compare", PATH)
