"""Runs side by side: like with like only, and the difference by its name."""

from __future__ import annotations

import pandas as pd
import pytest

from bnnbench.results.frames import load
from bnnbench.results.ratios import compare
from bnnbench.results.store.stored_run import StoredRun


def test_a_run_against_itself(synthetic: StoredRun) -> None:
    frame = load(synthetic)
    found = compare(frame, frame)
    assert len(found.ratios) == int(frame["latency_ns"].notna().sum())
    assert all(one.ratio == 1 and one.low is not None and one.high is not None for one in found.ratios)
    assert all((one.low or 0) <= 1 <= (one.high or 0) for one in found.ratios)
    assert len(found.refused) == len(frame) - len(found.ratios)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("device", "other-board", "differ in device: "),
        ("threads", 4, "differ in number of threads: "),
        ("variant", "best", "differ in variant: none and best"),
        ("isa", "avx9", "differ in ISA level: "),
        ("dataset_sha256", "f" * 64, "differ in dataset: none and ffffffff"),
    ],
)
def test_unlike_things_are_refused_by_name(synthetic: StoredRun, column: str, value: object, said: str) -> None:
    frame = load(synthetic)
    frame = frame[frame["latency_ns"].notna()].head(1)
    other = frame.copy()
    other[column] = pd.Series([value], index=other.index, dtype=frame[column].dtype)
    found = compare(frame, other)
    assert found.ratios == []
    assert said in found.refused[0]


def test_other_workloads(synthetic: StoredRun) -> None:
    frame = load(synthetic).head(1)
    (sentence,) = compare(frame, frame.assign(workload="new")).refused
    assert sentence.endswith("the base has no such workload")
