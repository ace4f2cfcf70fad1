"""The page of a case: its history over runs and commits, with change points, intervals and events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial

import msgspec

from bnnbench.results.site.case_history import case_history
from bnnbench.results.site.cases import CaseKey, CaseSummary, neighbours
from bnnbench.results.site.history_chart import history_chart
from bnnbench.results.site.page import Page, Planned, digest
from bnnbench.results.site.pages import Kind
from bnnbench.results.site.run_paths import run_path, run_paths
from bnnbench.results.site.source import Source

_KEPT = "case_links"


class _Links(msgspec.Struct, frozen=True, array_like=True):
    """The runs that the page of a case links to, and the digest of the case that it was made of."""

    made_of: str
    runs: list[str]


def plan(source: Source) -> Iterable[Planned]:
    """A page for each case."""
    paths = run_paths(source)
    before, now = source.memory(_KEPT, dict[str, _Links]) or {}, {}
    of_workload: dict[str, list[CaseSummary]] = defaultdict(list)
    for case in source.cases.values():
        of_workload[case.workload].append(case)
    later = _Batch(source)
    for case in source.cases.values():
        stands = before.get(case.path)
        runs = [run for run in case.linkable if run in paths]
        if stands is not None and stands.made_of == case.made_of:
            # The runs that it links to keep their pages, so that it need not be written again.
            runs = [run for run in stands.runs if source.line(run) is not None]
        linked = {run: run_path(run) for run in runs}
        now[case.path] = _Links(case.made_of, runs)
        source.linked |= linked
        beside = neighbours(case, of_workload[case.workload])
        made_of = digest(case.made_of, sorted(linked), [other.path for other in beside])
        yield Planned(case.path, made_of, partial(later.page, case, linked, beside))
    source.remember(_KEPT, now)


class _Batch:
    """Makes pages; rows of several cases are read at once."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def page(self, case: CaseSummary, linked: Mapping[str, str], beside: Iterable[CaseSummary]) -> Page:
        rows = self._source.rows(case.key, self._likely(case))
        found = case_history(case, rows, linked)
        specs = {}
        if found.points or found.weeks:
            specs["history"] = history_chart(found.points, found.weeks, found.levels, found.events, case.unit)
        contents = [("history", "History"), ("changes", "Changes"), ("runs", "Runs"), ("beside", "Beside it")]
        return Page(
            path=case.path,
            template="case.html",
            title=f"{case.name} on {case.device}",
            context={"case": case, "history": found, "beside": list(beside), "linked": linked},
            specs=specs,
            contents=contents,
        )

    def _likely(self, case: CaseSummary) -> list[CaseKey]:
        """Cases whose pages are likely to be made too: those of the same workload there."""
        return [key for key in self._source.cases if (key.device, key.workload) == (case.device, case.workload)]


KIND = Kind(plan)
