"""How long the site of a store of years takes, and how large its pages are: `make bench`, or alone by

    pytest -m speed -s tests/benchmarks/test_site.py

The stores are those of `test_store.py` (BNNBENCH_YEARS, BNNBENCH_YEARS_RUNS). Each build is a process of its own, and
its time includes the imports.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnnbench.results.index.make import add_run, make_index
from bnnbench.results.store.runs import Store
from tests.benchmarks.test_store import RUNS, STEPS, _part, years
from tests.results.browser import browser
from tests.results.generated_store import Team, write_run

__all__ = ["years"]
pytestmark = [pytest.mark.speed, pytest.mark.timeout(7200)]
ONE_MORE_S = 5.0
OVERVIEW_BYTES = 200_000
CASE_BYTES = 1_000_000


def _built(store: Path, out: Path) -> tuple[float, dict[str, object]]:
    """Seconds, and what the command says."""
    command = [str(Path(sys.executable).with_name("bnnbench")), "site", "-o", str(out)]
    begun = time.perf_counter()
    done = subprocess.run(
        [*command, "--store", str(store), "--json"], capture_output=True, text=True, check=True, timeout=3600
    )
    return time.perf_counter() - begun, json.loads(done.stdout)


def _one_more(store: Store) -> Iterator[Path]:
    """Runs that end after all others, each in the index."""
    for number in range(3):
        folder = write_run(store.runs_path, *Team(RUNS + 3, seed=99).run(RUNS + number))
        assert add_run(store.path, folder)
        yield folder


@pytest.mark.parametrize("count", STEPS)
def test_the_site_of_a_store_of_years(years: Path, tmp_path: Path, count: int) -> None:
    store = _part(years, count)
    make_index(store.path, store.runs_path)
    first, said = _built(store.path, tmp_path / "out")
    pages = {kind: sorted((tmp_path / "out" / kind).glob("*.html")) for kind in ("case", "device", "run")}
    print(f"\n{count:,} runs, {said['cases']:,} cases: first build {first:.1f} s, {said['by_kind']}")
    added = []
    try:
        for folder in _one_more(store):
            added.append(folder)
            took, said = _built(store.path, tmp_path / "out")
            print(f"  one more run {took:.2f} s, {said['written']} pages, {said['by_kind']}")
            assert took < ONE_MORE_S
    finally:
        for folder in added:
            shutil.rmtree(folder)
    overview = (tmp_path / "out" / "index.html").stat().st_size
    print(
        f"  index.html {overview / 1e3:.0f} kB, cases.html {(tmp_path / 'out/cases.html').stat().st_size / 1e3:.0f} kB"
    )
    for kind, found in pages.items():
        sizes = sorted(path.stat().st_size for path in found if path.exists())
        if sizes:
            print(f"  {kind} pages {sizes[0] / 1e3:.0f} to {sizes[-1] / 1e3:.0f} kB")
            assert kind != "case" or sizes[-1] < CASE_BYTES
    print(f"  overview interactive after {_interactive(tmp_path):.2f} s")
    assert overview < OVERVIEW_BYTES


def _interactive(folder: Path) -> float:
    """Seconds from the address to a page whose scripts have run, the median of five."""
    found = []
    with browser(folder / "profile") as one:
        for _ in range(5):
            one.open(folder / "out" / "index.html", 1280)
            found.append(one.value("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"))
    return statistics.median(found) / 1000
