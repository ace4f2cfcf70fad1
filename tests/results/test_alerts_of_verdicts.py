"""Alerts of verdicts: checks that repeat, end, are fixed and come back."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pandas as pd
import pytest

from bnnbench.results.alerts import Alert, with_states
from bnnbench.results.alerts.in_verdicts import COLUMNS, SIDE_COLUMNS, verdict_alerts
from bnnbench.results.columns import CASE_COLUMNS
from bnnbench.results.store.alert_states import AlertState
from bnnbench.results.store.baseline import Baseline
from bnnbench.results.verdict.frame import VERDICT_COLUMNS
from tests.results.test_alerts import BEGIN, decided


def verdicts(*words: str | None, base: str = "native@main", build: str = "b1", first: int = 0) -> pd.DataFrame:
    """A check a day with this verdict on latency."""
    rows = [
        {
            "run_id": f"check-{number:03}",
            "created": BEGIN + pd.Timedelta(days=number),
            "commit": f"c{number}",
            "workload": "quicknet_s",
            "device": "pi4",
            "threads": 1,
            "metric": "latency",
            "unit": "ns",
            "base": base,
            "status": "unstable" if word is None else "ok",
            "verdict": word,
            "effect_unit": "ratio",
            "effect": {"regression": 0.04, "improvement": -0.04}.get(word or "", 0.0),
            "low": 0.03,
            "high": 0.05,
            "level": 0.99,
            "base_value": 1e6,
            "head_value": 1.04e6,
            "pairs": 30,
            "why": "the clock differs" if word == "regression" else None,
            "extra_ppm": 0,
            "gated": True,
            "allowed": False,
        }
        for number, word in enumerate(words, first)
    ]
    kinds = {"created": "datetime64[us, UTC]", "commit": "string", **VERDICT_COLUMNS}
    assert set(rows[0]) == {"run_id", "created", "commit", *COLUMNS}
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kinds[name]) for name in rows[0]})


def sides(frame: pd.DataFrame, engine: str = "native", head: str | None = None, build: str = "b1") -> pd.DataFrame:
    rows = [
        {
            "run_id": run_id,
            "workload": "quicknet_s",
            "device": "pi4",
            "threads": 1,
            "engine": engine if side == "base" else head or engine,
            "variant": side,
            "engine_build": build if side == "base" else f"of {run_id}",
            "plan_sha256": "p",
        }
        for run_id in frame["run_id"]
        for side in ("base", "head")
    ]
    return pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype=CASE_COLUMNS[name]) for name in SIDE_COLUMNS}
    )


def of(*words: str | None, states: Sequence[AlertState] = ()) -> list[Alert]:
    frame = verdicts(*words)
    return verdict_alerts(frame, sides(frame), states)


def test_verdicts_that_repeat_are_one_alert() -> None:
    (alert,) = of("equivalent", "regression", "inconclusive", None, "regression", "regression")
    subject = alert.subject
    assert (subject.kind, subject.source, subject.against) == ("regression", "verdicts", "native@main")
    assert (alert.first_run, alert.first_commit) == ("check-001", "c1")
    assert (alert.previous_run, alert.previous_commit) == ("check-000", "c0")
    assert (alert.effect, alert.low, alert.high, alert.level, alert.pairs) == (0.04, 0.03, 0.05, 0.99, 30)
    assert alert.runs_since == 3
    assert alert.is_current
    assert alert.why == "the clock differs"


def test_an_equivalent_ends_an_alert_and_the_next_is_another() -> None:
    first, second = of("regression", "equivalent", "regression")
    assert (first.is_current, second.is_current) == (False, True)
    assert first.id != second.id
    assert second.previous_run == "check-001"
    worse, better = of("regression", "improvement")
    assert (worse.subject.kind, better.subject.kind) == ("regression", "improvement")
    assert not worse.is_current


@pytest.mark.parametrize(("column", "value"), [("allowed", True), ("gated", False)])
def test_what_a_suite_lets_pass_is_no_alert_and_ends_one(column: str, value: bool) -> None:
    frame = verdicts("regression", "regression", "regression")
    frame.loc[frame.index > 0, column] = value
    (only,) = verdict_alerts(frame, sides(frame))
    assert not only.is_current
    assert [near.run_id for near in only.near] == ["check-000"]
    frame[column] = value
    assert verdict_alerts(frame, sides(frame)) == []


def test_a_regression_after_its_fix_is_a_new_alert() -> None:
    (alert,) = of("equivalent", "regression", "regression")
    state = decided(alert, "fixed")
    (same,) = with_states(of("equivalent", "regression", "regression", states=[state]), [state])
    assert (same.id, same.state) == (alert.id, "fixed")
    again = with_states(of("equivalent", "regression", "regression", "regression", states=[state]), [state])
    assert [(one.first_run, one.state) for one in again] == [("check-001", "fixed"), ("check-003", "new")]
    noted = decided(alert, "acknowledged")
    (still,) = with_states(of("equivalent", "regression", "regression", "regression", states=[noted]), [noted])
    assert (still.id, still.state, still.runs_since) == (alert.id, "acknowledged", 3)


def test_another_build_of_the_baseline_is_another_question() -> None:
    one, two = verdicts("regression"), verdicts("regression", first=1)
    found = verdict_alerts(
        pd.concat([one, two], ignore_index=True),
        pd.concat([sides(one), sides(two, build="b2")], ignore_index=True),
    )
    assert [alert.first_run for alert in found] == ["check-000", "check-001"]


def test_comparisons_of_engines_and_calibrations_are_no_alerts() -> None:
    frame = verdicts("regression")
    assert verdict_alerts(frame, sides(frame, "native", "numba")) == []
    engines = verdicts("regression", base="numba")
    assert verdict_alerts(engines, sides(engines)) == []
    slowed = frame.assign(extra_ppm=pd.Series([20_000], dtype="Int64"))
    assert verdict_alerts(slowed, sides(slowed)) == []
    assert len(verdict_alerts(frame, sides(frame))) == 1


def test_a_baseline_is_what_was_last_good() -> None:
    frame = verdicts("regression")
    saved = Baseline(
        name="main",
        created="2025-12-01T00:00:00+00:00",
        version="1",
        run_id="the-run",
        commit="good",
        suite={},
        engines=[],
    )
    (alert,) = verdict_alerts(frame, sides(frame), (), {"main": saved})
    assert (alert.previous_run, alert.previous_commit) == ("the-run", "good")
    later = msgspec.structs.replace(saved, created="2026-06-01T00:00:00+00:00")
    (alert,) = verdict_alerts(frame, sides(frame), (), {"main": later})
    assert (alert.previous_run, alert.previous_commit) == (None, None)
