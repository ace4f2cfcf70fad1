"""The kinds of pages of the site, one per file: `PAGES` names them, in the order of the navigation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import NamedTuple

from bnnbench.results.site.page import Planned
from bnnbench.results.site.source import Source


class Kind(NamedTuple):
    """A kind of pages: `plan` gives all pages of the kind that the site has now; `title` and `path` are those of its
    entry in the navigation, empty for none; `is_there` says whether a site has that page."""

    plan: Callable[[Source], Iterable[Planned]]
    title: str = ""
    path: str = ""
    is_there: Callable[[Source], bool] = lambda source: True


# Name -> module with KIND.
PAGES: dict[str, str] = {
    "overview": "bnnbench.results.site.pages.overview",
    "compare": "bnnbench.results.site.pages.compare",
    "cases": "bnnbench.results.site.pages.cases",
    "case": "bnnbench.results.site.pages.case",
    "device": "bnnbench.results.site.pages.device",
    "run": "bnnbench.results.site.pages.run",
    "models": "bnnbench.results.site.pages.models",
    "alerts": "bnnbench.results.site.pages.alerts",
    "lab": "bnnbench.results.site.pages.lab",
}


def kind(name: str) -> Kind:
    """A kind by its name."""
    found: Kind = import_module(PAGES[name]).KIND
    return found
