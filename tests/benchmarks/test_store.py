"""How long a store of years takes to index and to read: `make bench`, or alone by

    pytest -m speed -s tests/benchmarks/test_store.py

The store has 40,000 runs with 10^6 rows, as `generated_store.py` makes them; it takes some 20 minutes to write, and is
kept in the folder of BNNBENCH_YEARS where that is set. BNNBENCH_YEARS_RUNS makes it smaller. Times are the best of
three, in a process of its own each, without imports; memory is that process's largest resident set.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from bnnbench.results import Store
from bnnbench.results.index.make import add_run, make_index
from bnnbench.results.store.parts import index_folder
from tests.results.generated_store import Team

pytestmark = [pytest.mark.speed, pytest.mark.timeout(7200)]
RUNS = int(os.environ.get("BNNBENCH_YEARS_RUNS", "41000"))
STEPS = [count for count in (410, 4_100, 41_000) if count <= RUNS]
"""Runs of some 10^4, 10^5 and 10^6 rows."""
CASE = {"workload": "quicknet_s", "device": "pi4", "engine": "native", "threads": 1}
OPERATIONS = {
    "load, all columns": "rows = load(store)",
    "one case's history": f"rows = load(store, where={CASE}, columns=HISTORY); found = histories(rows)",
    "pick": "rows = load(store, where=OF_MODELS, columns=MODELS); "
    "best = pick(choices(without_comparisons(rows)).query(\"device == 'pi4'\"), max_latency_ns=1e12)",
    "fronts": "rows = load(store, where=OF_MODELS, columns=MODELS); "
    "found = pareto(choices(without_comparisons(rows)), history=rows)",
    "latest run": "rows = [store.run('latest')]",
    "list of runs": "rows = list_runs(store)",
}
PROGRAM = """
import json, sys, time
from scipy import stats
from bnnbench.results import Store, load
from bnnbench.results.history import COLUMNS as HISTORY, histories
from bnnbench.results.models import COLUMNS as MODELS, OF_MODELS, choices, without_comparisons
from bnnbench.results.pareto import pareto
from bnnbench.results.pick import pick
from bnnbench.results.store.listing import list_runs
import bnnbench.results.index.read, bnnbench.results.store.entries, pyarrow.dataset
store = Store(sys.argv[1])
begun = time.perf_counter()
{operation}
took = time.perf_counter() - begun
status = open("/proc/self/status").read()
peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
print(json.dumps([took, peak, len(rows)]))
"""


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All runs in `all`; the stores to read have the first of them, their files as hard links."""
    given = os.environ.get("BNNBENCH_YEARS")
    path = Path(given) if given else tmp_path_factory.mktemp("years")
    runs = path / "all" / "runs"
    written = sum(1 for _ in runs.iterdir()) if runs.is_dir() else 0
    if written < RUNS:
        begun = time.monotonic()
        step = 250
        with ProcessPoolExecutor() as pool:
            starts = range(written, RUNS, step)
            list(pool.map(_write, [path / "all"] * len(starts), starts, [min(start + step, RUNS) for start in starts]))
        print(f"\n{RUNS - written:,} runs written in {time.monotonic() - begun:.0f} s")
    return path


def _write(store: Path, first: int, stop: int) -> None:
    os.fsync = lambda descriptor: None  # type: ignore[assignment]
    Team(RUNS).write(store, first, stop)


def _part(years: Path, count: int) -> Store:
    """A store of the first runs, without an index."""
    store = Store(years / str(count))
    shutil.rmtree(index_folder(store.path), ignore_errors=True)
    store.runs_path.mkdir(parents=True, exist_ok=True)
    for run in sorted((years / "all" / "runs").iterdir())[:count]:
        folder = store.runs_path / run.name
        if not folder.exists():
            shutil.copytree(run, folder, copy_function=os.link)
    return store


def _measured(store: Store, operation: str, times: int = 3) -> tuple[float, float, int]:
    """Seconds, bytes and rows."""
    found = []
    for _ in range(times):
        program = PROGRAM.format(operation=operation)
        command = [sys.executable, "-W", "ignore", "-c", program, str(store.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1200)
        found.append(json.loads(done.stdout))
    took, peak, rows = min(found)
    return took, peak, rows


def test_a_store_of_years(years: Path) -> None:
    print(f"\n{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs")
    for count in STEPS:
        store = _part(years, count)
        begun = time.perf_counter()
        made = make_index(store.path, store.runs_path)
        first = time.perf_counter() - begun
        size = sum(file.stat().st_size for file in index_folder(store.path).rglob("*") if file.is_file())
        one = _one_more(store)
        print(f"\n{count:,} runs: first index {first:.1f} s, {size / 1e6:.1f} MB; one more run {one:.2f} s")
        assert made.runs > 0.9 * count
        for name, operation in OPERATIONS.items():
            took, peak, rows = _measured(store, operation)
            print(f"  {name:20} {took:7.3f} s  {peak / 1e6:6.0f} MB  {rows:>9,} rows")


def test_beside_reading_journals(years: Path) -> None:
    """As the version before did: every journal is parsed for each question."""
    store = _part(years, 300)
    make_index(store.path, store.runs_path)
    print("\n300 runs, by their journals and by the index")
    for name, operation in OPERATIONS.items():
        if "load(store" in operation:
            before, memory, _ = _measured(store, operation.replace("load(store", "load(store.runs()"), 2)
            now, memory_now, _ = _measured(store, operation, 2)
            memories = f"{memory / 1e6:5.0f} MB, {memory_now / 1e6:5.0f} MB"
            print(f"  {name:20} {before:6.2f} s, {now:6.3f} s: {before / now:5.0f} times; {memories}")


def _one_more(store: Store) -> float:
    """Seconds to add a run to an index that has all others."""
    record, entries = Team(RUNS, seed=99).run(0)
    from tests.results.generated_store import write_run

    folder = write_run(store.runs_path, record, entries)
    begun = time.perf_counter()
    assert add_run(store.path, folder)
    took = time.perf_counter() - begun
    shutil.rmtree(folder)
    return took
