"""Generated stores of the sizes that the tests of the site need, and a hostile run."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bnnbench.results.records import Entry, RunRecord
from bnnbench.results.store.runs import Store
from tests.results.generated_store import Team, write_run

NOW = datetime(2024, 1, 22, 12, tzinfo=UTC)
"""Two weeks after the first run of a generated store."""
HOSTILE = (
    "<script>window.hacked = 1</script>",
    "\"' onmouseover='window.hacked = 1' x=\"",
    "</script><img src=x onerror='window.hacked = 1'>",
    "\u202egnisrever\u2066\u200f",
    "{{ 7 * 7 }}${window.hacked = 1}",
    "../../../etc/passwd",
    "long " + "n" * 10_000,
)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 40 runs within a week."""
    return written(tmp_path_factory.mktemp("small"), lambda store: Team(40, every=4).write(store))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose runs have hostile names of devices, workloads, engines, suites, commits and facts."""

    def write(store: Path) -> None:
        for number in range(12):
            write_run(store / "runs", *hostile_run(number))

    return written(tmp_path_factory.mktemp("hostile"), write)


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
