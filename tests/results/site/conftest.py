"""Generated stores of the sizes that the tests of the site need, and a hostile run."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from bnnbench.results.records import Entry, RunRecord
from bnnbench.results.report import html
from bnnbench.results.report.page_context import PageContext
from bnnbench.results.site.pages import run as run_pages
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun
from tests.results.generated_store import Team, write_run

NOW = datetime(2024, 1, 22, 12, tzinfo=UTC)
"""Two weeks after the first run of a generated store."""
WORKLOADS = ("bconv2d 56x56x64 to 64, 1x1", "bconv2d 56x56x64 to 64, 3x3", "quicknet_s")
HOSTILE = (
    "<script>window.hacked = 1</script>",
    "\"' onmouseover='window.hacked = 1' x=\"",
    "</script><img src=x onerror='window.hacked = 1'>",
    "\u202egnisrever\u2066\u200f",
    "{{ 7 * 7 }}${window.hacked = 1}",
    "../../../etc/passwd",
    "long " + "n" * 10_000,
)


@pytest.fixture(scope="session", autouse=True)
def plain_reports() -> Generator[Callable[..., str]]:
    """Reports of runs on the site's pages as a heading, for they take seconds each; gives what makes real ones."""

    def render(run: StoredRun, context: PageContext) -> str:
        title = run.record.run_id
        head = f'<!doctype html><html lang="en"><head><title>{title}</title><link rel="icon" href="data:,">'
        policy = "default-src 'none'; script-src 'self'; img-src data:"
        head += f'<meta http-equiv="Content-Security-Policy" content="{policy}"></head>'
        return f'{head}<body><main><h1>{title}</h1><a href="{context.home}">overview</a></main></body></html>'

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_pages, "html", SimpleNamespace(render=render))
        yield html.render


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 40 runs within a week, of few cases."""

    def write(store: Path) -> None:
        for number in range(40):
            write_run(store / "runs", *limited(number))

    return written(tmp_path_factory.mktemp("small"), write)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose runs have hostile names of devices, workloads, engines, suites, commits and facts."""

    def write(store: Path) -> None:
        for number in range(12):
            write_run(store / "runs", *hostile_run(number))

    return written(tmp_path_factory.mktemp("hostile"), write)


def limited(number: int) -> tuple[RunRecord, list[Entry]]:
    """A run of a team with only those of its cases that few workloads are of."""
    record, entries = Team(44, every=4).run(number)
    if record.comparisons:
        return record, entries
    cases = [case for case in record.cases if case.workload in WORKLOADS]
    kept = {case.id for case in cases}
    return msgspec.structs.replace(record, cases=cases), [
        one for one in entries if not hasattr(one, "case_id") or one.case_id in kept
    ]


def hostile_run(number: int) -> tuple[RunRecord, list[Entry]]:
    """The run of a team with other names; the same names in each run, so that there are histories."""
    record, entries = Team(12, every=4).run(3 * number)
    names = {"device": HOSTILE[0], "workload": HOSTILE[number % 3 + 1], "engine": HOSTILE[6]}
    cases = [msgspec.structs.replace(case, **names) for case in record.cases[:4]]
    facts = {"value": HOSTILE[2], "source": HOSTILE[1]}
    devices = {HOSTILE[0]: {"model": facts, HOSTILE[4]: facts, "boot_id": {"value": str(number), "source": ""}}}
    changed = msgspec.structs.replace(
        record,
        cases=cases,
        devices=devices,
        skips=[],
        comparisons=[],
        suite_name=HOSTILE[number % 2 * 5],
        commit=HOSTILE[3],
    )
    kept = {case.id for case in cases}
    return changed, [one for one in entries if getattr(one, "case_id", None) in kept or one is entries[-1]]


def written(store: Path, write: Callable[[Path], None]) -> Path:
    fsync = os.fsync
    os.fsync = lambda descriptor: None  # type: ignore[assignment]
    try:
        write(store)
    finally:
        os.fsync = fsync
    assert Store(store).run_ids()
    return store
