"""The table of all cases, with filters: the way to the page of each."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from bnnbench.results.site.page import Page, Planned, digest
from bnnbench.results.site.pages import Kind
from bnnbench.results.site.source import Source

PATH = "cases.html"


def plan(source: Source) -> Iterable[Planned]:
    """One page."""
    made_of = digest(*(f"{case.path} {case.made_of}" for case in source.cases.values()))
    yield Planned(PATH, made_of, partial(_page, source))


def _page(source: Source) -> Page:
    cases = list(source.cases.values())
    return Page(
        path=PATH,
        template="cases.html",
        title="Cases",
        context={
            "cases": cases,
            "devices": sorted({case.device for case in cases}),
            "engines": sorted({case.series for case in cases}),
        },
    )


KIND = Kind(plan, "Cases", PATH)
