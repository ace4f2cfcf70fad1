"""Verdicts of stored runs, made again: as the session made them, to the digit, and not as somebody changed them."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnbench.harness.tasks.rejudge import rejudged
from bnnbench.results.records import Entry, Gate, Invocation, Pair, RunEnd, RunRecord, Verdict, Verdicts
from bnnbench.results.store.calibration import Calibration
from bnnbench.results.store.runs import Store, StoredRun
from bnnbench.results.store.stored_run import read_run
from tests.harness.bench import Bench
from tests.harness.replaying import replayed

FROZEN = Path(__file__).parents[1] / "docs/frozen"
COMPARISON = FROZEN / "0.2.0/20261129-144442-93948e"
NOT_JUDGED = {"finished", "why"}


def judged_fields(verdict: Verdict) -> dict[str, Any]:
    return {name: getattr(verdict, name) for name in Verdict.__struct_fields__ if name not in NOT_JUDGED}


def require_same(run: StoredRun) -> int:
    """That all verdicts are made again to the digit; how many there are."""
    found = rejudged(run, {})
    assert [item.differences for item in found] == [[] for _ in found]
    for item in found:
        assert [judged_fields(one) for one in item.again] == [judged_fields(one) for one in item.stored]
    assert {item.record.id for item in found} == {verdict.comparison_id for verdict in run.verdicts}
    return sum(len(item.again) for item in found)


def changed(run: StoredRun, entries: Sequence[Entry], record: RunRecord | None = None) -> StoredRun:
    return StoredRun(record or run.record, list(entries), run.path)


@pytest.mark.parametrize("folder", sorted(path.parent for path in FROZEN.rglob("run.json")), ids=lambda path: path.name)
def test_verdicts_of_frozen_runs_are_the_same_to_the_digit(folder: Path) -> None:
    run = read_run(folder)
    assert require_same(run) == (4 if folder == COMPARISON else 0)


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ([], {"factor": 1.08}),
        ([], {"dies_at": 8}),
        (["--budget", "1s"], {}),
        pytest.param([], {}, marks=pytest.mark.slow),
        pytest.param([], {"factor": 0.14}, marks=pytest.mark.slow),
        pytest.param([], {"drift": 0.06}, marks=pytest.mark.slow),
        pytest.param([], {"flag": 0.5}, marks=pytest.mark.slow),
        pytest.param(["--budget", "60s"], {"factor": 1.01}, marks=pytest.mark.slow),
        pytest.param([], {"throttle": 0.08}, marks=pytest.mark.slow),
        pytest.param([], {"lies": 1}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_session_s_verdicts_are_made_again(bench: Bench, words: list[str], settings: dict[str, float]) -> None:
    done = bench.run(*replayed(bench, cases=2, **settings), *words)
    assert done.returncode in (0, 1, 3), done.stderr
    assert require_same(bench.store.run("latest")) >= 2


@pytest.mark.slow
def test_verdicts_of_a_run_that_was_resumed_are_made_again(bench: Bench) -> None:
    process = bench.start(*replayed(bench, cases=3, factor=1.08), "--budget", "40s")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (bench.store.runs_path.exists() and verdicts_in(bench.store)):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert bench.store.run("latest").end is not None
    done = bench.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode in (0, 1), done.stderr
    run = bench.store.run("latest")
    assert sum(isinstance(entry, RunEnd) for entry in run.entries) == 2
    assert require_same(run) >= 3


def verdicts_in(store: Store) -> bool:
    return any(
        b'"type":"verdicts"' in (folder / "journal.jsonl").read_bytes()
        for folder in store.runs_path.iterdir()
        if (folder / "journal.jsonl").exists()
    )


def test_a_pair_that_was_changed_is_noticed() -> None:
    run = read_run(COMPARISON)
    entries: list[Entry] = list(run.entries)
    place = next(n for n, entry in enumerate(entries) if isinstance(entry, Pair) and entry.stage == "confirm")
    pair = entries[place]
    assert isinstance(pair, Pair)
    entries[place] = msgspec.structs.replace(pair, head_ns=pair.head_ns * 3)
    (found,) = rejudged(changed(run, entries), {})
    assert any("latency: effect is -0.68" in text for text in found.differences), found.differences


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "equivalent"},
        {"effect": -0.68667545601},
        {"low": None},
        {"pairs": 23},
        {"confirmed": False},
        {"status": "unstable"},
        {"reason": "because"},
    ],
    ids=str,
)
def test_a_verdict_that_was_changed_is_noticed(change: dict[str, Any]) -> None:
    run = read_run(COMPARISON)
    entries = [
        msgspec.structs.replace(
            entry, verdicts=[msgspec.structs.replace(entry.verdicts[0], **change), *entry.verdicts[1:]]
        )
        if isinstance(entry, Verdicts)
        else entry
        for entry in run.entries
    ]
    (found,) = rejudged(changed(run, entries), {})
    (text,) = found.differences
    (name,) = change
    assert f"latency: {name} is " in text


def test_a_verdict_that_is_left_out_is_noticed() -> None:
    run = read_run(COMPARISON)
    entries = [
        msgspec.structs.replace(entry, verdicts=entry.verdicts[:-1]) if isinstance(entry, Verdicts) else entry
        for entry in run.entries
    ]
    (found,) = rejudged(changed(run, entries), {})
    assert [text.partition(": ")[2] for text in found.differences] == ["no verdict is stored, and one is made again"]


def test_the_layout_of_a_calibration_is_heeded() -> None:
    """As the session does: within what the link order changes nothing is said of the code."""
    run = read_run(COMPARISON)
    calibration = Calibration(
        device="local",
        created="2026-01-01",
        version="0.2.0",
        suite="x",
        kernel=None,
        floor=0.01,
        margin=0.02,
        comparisons=1,
        false_alarms=0,
        false_alarm_low=0.0,
        false_alarm_high=1.0,
        unstable=0,
        conclusive=1.0,
        sigma=None,
        mde=None,
        invocation_ms=None,
        layout=0.9,
    )
    (found,) = rejudged(run, {"local": calibration})
    assert any("verdict is improvement as stored, and inconclusive judged again" in text for text in found.differences)


@pytest.mark.parametrize(
    "hostile",
    [
        lambda entry: msgspec.structs.replace(entry, base_ns=-1.0) if isinstance(entry, Pair) else entry,
        lambda entry: msgspec.structs.replace(entry, base_ns=0.0) if isinstance(entry, Pair) else entry,
        lambda entry: msgspec.structs.replace(entry, head_ns=1e30) if isinstance(entry, Pair) else entry,
        lambda entry: msgspec.structs.replace(entry, iterations=2**62) if isinstance(entry, Gate) else entry,
        lambda entry: msgspec.structs.replace(entry, warmup_ns=-1e30) if isinstance(entry, Gate) else entry,
        lambda entry: msgspec.structs.replace(entry, block_ns=-60e6) if isinstance(entry, Gate) else entry,
        lambda entry: None if isinstance(entry, Gate) else entry,
    ],
)
@pytest.mark.parametrize("extra_ppm", [0, 10_000])
def test_a_hostile_journal_ends_in_differences(hostile: Callable[[Entry], Entry | None], extra_ppm: int) -> None:
    run = read_run(COMPARISON)
    record = msgspec.structs.replace(
        run.record,
        comparisons=[msgspec.structs.replace(item, extra_ppm=extra_ppm) for item in run.record.comparisons],
    )
    entries = [entry for entry in map(hostile, run.entries) if entry is not None]
    started = time.monotonic()
    (found,) = rejudged(changed(run, entries, record), {})
    assert time.monotonic() - started < 30
    assert found.differences or math.isfinite(found.again[0].effect or 0)


def test_so_many_pairs_are_not_judged() -> None:
    run = read_run(COMPARISON)
    pairs = [entry for entry in run.entries if isinstance(entry, Pair)] * 200
    (found,) = rejudged(changed(run, [*run.entries, *pairs]), {})
    assert "more pairs than any comparison has" in found.differences[0]


HOSTILE = st.sampled_from([0, -1, 1, 2**62, -1.5, 1e30, 1e-300, None, "", "x", [], {}, [1e18], {"instructions": []}])


@given(choice=st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_journal_is_judged_without_a_crash(choice: st.DataObject) -> None:
    """Whatever can be read of it, however little sense it makes."""
    run = read_run(COMPARISON)
    decoder = msgspec.json.Decoder(Entry)
    documents = [msgspec.to_builtins(entry) for entry in run.entries]
    for _ in range(choice.draw(st.integers(1, 3))):
        kind = choice.draw(st.sampled_from(["gate", "pair", "invocation", "verdicts"]))
        name, value = choice.draw(st.sampled_from(FIELDS[kind])), choice.draw(HOSTILE)
        some = choice.draw(st.sampled_from([1, 1000]))
        for document in [one for one in documents if one["type"] == kind][:some]:
            document[name] = value
    entries = []
    for document in documents:
        with suppress(msgspec.DecodeError):
            entries.append(decoder.decode(msgspec.json.encode(document)))
    for found in rejudged(changed(run, entries), {}):
        assert all(isinstance(text, str) for text in found.differences)


FIELDS = {
    kind.__struct_config__.tag: [name for name in kind.__struct_fields__ if name != "comparison_id"]
    for kind in (Gate, Pair, Invocation, Verdicts)
}
