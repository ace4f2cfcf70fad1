"""What a team asks in the morning, answered in a browser from the overview on, with the clicks counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser, Locator

from bnnbench.results.records import CaseRecord, Entry, Invocation, RunRecord, Verdict, Verdicts
from bnnbench.results.site.build import build
from bnnbench.results.site.source import Asked
from bnnbench.results.store.runs import Store
from tests.results.generated_store import Team, write_run
from tests.results.site.conftest import NOW, written
from tests.results.site.test_site_in_a_browser import CHROMIUM, Seen, chromium, served, window

__all__ = ["chromium"]
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.timeout(300),
]
RUNS = 270
SLOWER_FROM = 192
STEPS_WITHIN = """([name, most]) => {
  const id = document.querySelector("[data-pick]").dataset.pick;
  const { objectives } = JSON.parse(document.getElementById(id).textContent);
  const { steps } = objectives.find((one) => one.budget === name);
  return steps.filter(([value]) => value <= most).length;
}"""
TEAM = Team(RUNS, every=1.0)


def _is_slower(case: CaseRecord) -> bool:
    return (case.device, case.engine, case.workload, case.threads) == ("pi4", "native", "quicknet_s", 1)


def morning_run(number: int) -> tuple[RunRecord, list[Entry]]:
    """A run in which QuickNet is 6 % slower on the Pi from a commit on, and comparisons see 3 % more or less."""
    record, entries = TEAM.run(number)
    slower = {case.id for case in record.cases if _is_slower(case)} if number >= SLOWER_FROM else set()
    return record, [_changed(one, slower, 0.03 if number % 2 else -0.03) for one in entries]


def _changed(entry: Entry, slower: set[str], effect: float) -> Entry:
    match entry:
        case Invocation() if entry.case_id in slower:
            samples = [round(ns * 1.06, 1) for ns in entry.samples_ns]
            return msgspec.structs.replace(entry, samples_ns=samples)
        case Verdicts():
            return msgspec.structs.replace(entry, verdicts=[_verdict(one, effect) for one in entry.verdicts])
    return entry


def _verdict(verdict: Verdict, effect: float) -> Verdict:
    word = "regression" if effect > 0 else "improvement"
    return msgspec.structs.replace(verdict, verdict=word, effect=effect, low=effect - 0.004, high=effect + 0.004)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    def write(path: Path) -> None:
        for number in range(RUNS):
            record, entries = morning_run(number)
            if record.suite_name != "kernels":
                write_run(path / "runs", record, entries)

    return Store(written(tmp_path_factory.mktemp("morning"), write))


@pytest.fixture(scope="module")
def site(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    build(store, out, Asked(last_runs=2), now=NOW)
    return out


class Visitor:
    """Somebody who begins at the overview."""

    def __init__(self, seen: Seen) -> None:
        self.seen, self.clicks = seen, 0
        seen.open("index.html")

    def click(self, what: Locator) -> None:
        what.first.click()
        self.clicks += 1


@pytest.fixture
def visitor(chromium: Browser, site: Path) -> Iterator[Visitor]:
    with served(site) as origin, window(chromium, origin) as seen:
        yield Visitor(seen)


def test_which_commit_made_quicknet_slower_on_the_pi_and_how_sure_is_it(visitor: Visitor, store: Store) -> None:
    rows = visitor.seen.page.locator("#changes tbody tr", has_text="quicknet_s · native").filter(has_text="pi4")
    row = rows.filter(has_text="regression").filter(has_not_text="x2")
    said = row.first.inner_text()
    first = next(number for number in range(SLOWER_FROM, RUNS) if _measures(number))
    assert (TEAM.run(first)[0].commit or "?")[:12] in said
    assert "+6." in said or "+5." in said
    assert "99." in said
    visitor.click(row.locator("a[href^='case/']"))
    page = visitor.seen.page
    page.wait_for_selector("figure.drawn .drawing svg", timeout=20_000)
    assert (TEAM.run(first)[0].commit or "?")[:12] in page.locator("#changes").inner_text()
    assert visitor.clicks <= 1


def _measures(number: int) -> bool:
    """Whether a run has a figure of the case, and not one of a side of a comparison."""
    record, entries = morning_run(number)
    cases = {case.id for case in record.cases if _is_slower(case) and case.variant is None}
    ended = any(isinstance(one, Invocation) and one.case_id in cases for one in entries)
    return ended and not record.comparisons and record.suite_name != "kernels"


def test_is_the_change_of_this_commit_real(visitor: Visitor, store: Store) -> None:
    visitor.click(visitor.seen.page.locator("#last-runs tr", has_text="comparison").locator("a[href^='compare/']"))
    page = visitor.seen.page
    said = page.locator("main").inner_text()
    assert "regression" in said or "improvement" in said
    assert ".. " in said  # an interval
    assert visitor.clicks <= 1


def test_which_model_fits_10_ms_and_100_kb_on_the_phone(visitor: Visitor) -> None:
    visitor.click(visitor.seen.page.get_by_role("link", name="Models"))
    page = visitor.seen.page
    phone = page.locator("#pick-group option", has_text="phone").first.inner_text()
    page.locator("#pick-group").select_option(label=phone)
    visitor.clicks += 1
    for budget, most in (("max_latency_ns", 10e6), ("max_size_bytes", 100e3)):
        place = page.evaluate(STEPS_WITHIN, [budget, most]) - 1
        assert place >= 0
        page.locator(f"#pick-{budget}").fill(str(place))
        visitor.clicks += 1
    picked = page.locator("[data-pick-result]").inner_text()
    assert "quicknet_" in picked
    assert "bnnbench pick" in page.locator("[data-pick-command]").inner_text()
    assert visitor.clicks <= 4
