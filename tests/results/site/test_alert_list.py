"""The site's alerts are those of `bnnbench alerts`, also where most cases are kept from the last build."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bnnbench.results.alerts import alerts
from bnnbench.results.alerts.deciding import decide
from bnnbench.results.records import Entry, Invocation, RunRecord
from bnnbench.results.site.alert_list import alert_list
from bnnbench.results.site.source import Asked, Source, read_source
from bnnbench.results.site.state import State
from bnnbench.results.store.runs import Store
from tests.results.generated_store import Team, write_run
from tests.results.site.conftest import NOW, written

RUNS = 20
SLOWER_FROM = 10


@pytest.fixture
def store(tmp_path: Path) -> Store:
    def write(folder: Path) -> None:
        for number in range(RUNS):
            write_run(folder / "runs", *_run(number))
        team = Team(200)
        for number in range(0, 200, 3):
            record, entries = team.run(number)
            if record.comparisons:
                write_run(folder / "runs", record, entries)

    return Store(written(tmp_path / "store", write))


def _run(number: int) -> tuple[RunRecord, list[Entry]]:
    """The same run each day, slower from one day on."""
    record, entries = Team(1).run(1)
    factor = (1.2 if number >= SLOWER_FROM else 1.0) * (1 + number % 3 / 1000)
    slowed = [
        msgspec.structs.replace(one, samples_ns=[ns * factor for ns in one.samples_ns])
        if isinstance(one, Invocation)
        else one
        for one in entries
    ]
    day = f"2024-01-{number + 1:02}"
    changed = msgspec.structs.replace(record, run_id=f"run-{day}", created=f"{day}T06:00:00+00:00", comparisons=[])
    return changed, slowed


def _next(source: Source) -> Source:
    state = State(runs=dict(source.fingerprints), cases=list(source.cases.values()), kept=source.kept)
    return read_source(source.store, state, Asked(), NOW)


def test_the_same_list_as_the_command(store: Store) -> None:
    source = read_source(store, None, Asked(), NOW)
    first = alert_list(source)
    assert first == alerts(store)
    assert {alert.subject.source for alert in first} == {"history", "verdicts"}

    decide(store, first[0], "acknowledged", "known")
    write_run(store.path / "runs", *_run(RUNS))
    source = _next(source)
    assert source.changed
    again = alert_list(source)
    assert again == alerts(store)
    assert "acknowledged" in {alert.state for alert in again}


def test_cases_without_new_runs_are_not_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    source = read_source(store, None, Asked(), NOW)
    before = alert_list(source)
    source = _next(source)

    def no_reading(*_: object, **__: object) -> None:
        raise AssertionError("nothing is new")

    monkeypatch.setattr("bnnbench.results.site.alert_list.load", no_reading)
    monkeypatch.setattr("bnnbench.results.site.alert_list.read_verdicts", no_reading)
    assert alert_list(source) == before
