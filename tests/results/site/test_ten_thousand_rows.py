"""The site of a store of 10,000 rows: what a run more changes, how large pages are, and the overview in a browser.

How long it takes is measured by `tests/benchmarks/test_site.py`, there with 1,000,000 rows too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser

from bnnbench.results.frames import load
from bnnbench.results.index.make import add_run, make_index
from bnnbench.results.site.build import Built, build
from bnnbench.results.site.source import Asked
from bnnbench.results.store.runs import Store
from tests.results.generated_store import Team, write_run
from tests.results.site.conftest import NOW, written
from tests.results.site.test_site_build import broken_links
from tests.results.site.test_site_in_a_browser import CHROMIUM, chromium, served, window

__all__ = ["chromium"]
pytestmark = pytest.mark.timeout(600)
RUNS = 410
TEAM = Team(RUNS + 20)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(written(tmp_path_factory.mktemp("large"), lambda path: TEAM.write(path, 0, RUNS)))
    make_index(store.path, store.runs_path)
    return store


@pytest.fixture(scope="module")
def first(large: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Built]:
    out = tmp_path_factory.mktemp("site") / "out"
    return out, build(large, out, Asked(last_runs=1), now=NOW)


def test_every_case_has_a_page_of_a_moderate_size(large: Store, first: tuple[Path, Built]) -> None:
    out, made = first
    assert len(load(large, columns=["run_id"])) > 9_000
    assert made.by_kind["case"] == made.cases > 400
    assert (out / "index.html").stat().st_size < 200_000
    assert (out / "cases.html").stat().st_size < 2_000_000
    assert max(path.stat().st_size for path in (out / "case").iterdir()) < 1_000_000
    assert broken_links(out) == []


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_overview_leads_to_the_largest_change(chromium: Browser, first: tuple[Path, Built]) -> None:
    with served(first[0]) as origin, window(chromium, origin, width=390) as seen:
        seen.open("index.html")
        links = seen.page.locator("#changes a[href^='case/']")
        assert links.count() > 3
        name = links.first.inner_text()
        links.first.click()
        seen.page.wait_for_selector("figure.drawn .drawing svg", timeout=20_000)
        assert name in seen.page.locator("h1").inner_text()


def test_one_more_run_changes_its_own_pages_alone(large: Store, first: tuple[Path, Built]) -> None:
    out, made = first
    record, entries = next(run for run in map(TEAM.run, range(RUNS, TEAM.runs)) if not run[0].comparisons)
    folder = write_run(large.runs_path, record, entries)
    assert add_run(large.path, folder)
    again = build(large, out, Asked(last_runs=1), now=NOW)
    assert again.by_kind["case"] == len({(one.workload, one.engine, one.threads) for one in record.cases})
    assert again.written < made.written / 4
    assert broken_links(out) == []
