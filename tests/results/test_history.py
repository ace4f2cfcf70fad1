"""Histories of cases over runs: where they changed, and how that is drawn."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from bnnbench.results.charts import CHARTS
from bnnbench.results.frames import load
from bnnbench.results.history import histories, history_alone, sentences
from bnnbench.results.store.stored_run import StoredRun
from tests.results.test_charts import assert_readable, outline


@pytest.fixture
def frame(synthetic: StoredRun) -> pd.DataFrame:
    """Thirty nights of a synthetic run: one case slower by 4 % from the 18th on, one with a spike, the rest steady."""
    night = load(synthetic)
    cases = list(night.loc[night["status"] == "ok", "workload"].unique())
    rng = np.random.default_rng(3)
    nights = []
    for number in range(30):
        rows = night.copy()
        rows["run_id"] = f"run-{number:02}"
        rows["commit"] = f"{number:02}" * 20
        rows["created"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(days=number)
        factor = rng.normal(1, 0.004, len(rows))
        factor[(rows["workload"] == cases[0]).to_numpy() & (number >= 17)] *= 1.04
        factor[(rows["workload"] == cases[1]).to_numpy() & (number == 9)] *= 3
        rows["latency_ns"] = rows["latency_ns"] * factor
        nights.append(rows)
    return pd.concat(nights, ignore_index=True)


def test_a_step_is_a_change_and_a_spike_is_none(frame: pd.DataFrame) -> None:
    found = histories(frame)
    changed = [one for one in found if one.changes]
    stepped = found[0].workload
    assert {one.workload for one in changed if abs(one.changes[0].after / one.changes[0].before - 1) > 0.02} == {
        stepped
    }
    assert len(changed) <= len([one for one in found if one.workload == stepped]) + 1
    (change,) = found[0].changes
    assert abs(change.at - 17) <= 1
    (sentence,) = sentences(found[0])
    assert sentence.startswith("+4.")
    assert "run-17 (commit 17171717)" in sentence or "run-16" in sentence or "run-18" in sentence


def test_too_few_runs_are_no_history(synthetic: StoredRun) -> None:
    assert histories(load(synthetic)) == []
    assert not CHARTS["history"].suits(load(synthetic), [])


@pytest.mark.parametrize("width", [9.2, 3.7])
def test_the_chart_is_readable_and_repeats(
    frame: pd.DataFrame, snapshot: Callable[[str, str], None], width: float
) -> None:
    few = frame[frame["workload"].isin(list(frame["workload"].unique())[:4])]
    svg = CHARTS["history"].svg(few, width=width)
    assert svg == CHARTS["history"].svg(few, width=width)
    snapshot(f"chart-history-{width}.txt", outline(svg))
    assert_readable(CHARTS["history"].figure(few, width=width))
    assert not re.findall(r"#[0-9a-f]{6}\b", re.sub(r"var\(--chart-\w+, #[0-9a-f]{6}\)", "", svg))


@pytest.mark.parametrize("name", ["$\\frac{", "a & b <script>", "\x00\x1b[31m", 'q" onload="x'])
def test_hostile_names_are_only_names(frame: pd.DataFrame, name: str) -> None:
    one = frame[frame["workload"] == frame["workload"].iloc[0]].assign(workload=name, engine=name, device=name)
    root = ET.fromstring(CHARTS["history"].svg(one, standalone=True))  # noqa: S314
    assert not [element for element in root.iter() if element.tag.endswith("script")]


def test_without_a_baseline_it_says_what_it_could_not_see(frame: pd.DataFrame) -> None:
    changed, *_, steady = histories(frame)
    assert "from its 30 stored runs: +4." in history_alone(changed, 0.02)
    told = history_alone(steady, 0.02)
    assert "no change over 30 runs" in told
    assert "a step of 2 % would show after about" in told


def test_comparisons_are_no_history(frame: pd.DataFrame) -> None:
    sides = frame.assign(variant="base")
    assert histories(sides) == []
