"""Alerts: what of histories and verdicts is one, its place and size, and which decision belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from bnnbench.results.alerts import Alert, alerts, case_alerts, find, with_states
from bnnbench.results.alerts.alert import alert_id, document
from bnnbench.results.alerts.in_history import NEAR
from bnnbench.results.alerts.in_verdicts import COLUMNS, SIDE_COLUMNS, verdict_alerts
from bnnbench.results.columns import CASE_COLUMNS
from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.history import History
from bnnbench.results.metrics import METRICS
from bnnbench.results.statistics.change_point import change_points
from bnnbench.results.store.alert_states import AlertState, State, read_states, write_state
from bnnbench.results.store.baseline import Baseline
from bnnbench.results.store.runs import Store
from bnnbench.results.verdict.frame import VERDICT_COLUMNS
from tests.results.generated_store import Team

BEGIN = pd.Timestamp("2026-01-01", tz="UTC")


def history(values: Sequence[float], engine: str = "native", series: str | None = None) -> History:
    """A run a day, each with its own commit."""
    return History(
        workload="quicknet_s",
        series=series or engine,
        engine=engine,
        device="pi4",
        threads=1,
        run_ids=[f"run-{number:03}" for number in range(len(values))],
        moments=[BEGIN + pd.Timedelta(days=number) for number in range(len(values))],
        commits=[f"{number:02x}" * 20 for number in range(len(values))],
        values_ns=list(values),
        changes=change_points(values),
    )


def stepped(runs: int, *steps: tuple[int, float], noise: float = 0.003, seed: int = 5) -> list[float]:
    """1 ms with noise; from run `at` on slower by a factor, for each `(at, factor)`."""
    values = 1e6 * np.random.default_rng(seed).normal(1, noise, runs)
    for at, factor in steps:
        values[at:] *= factor
    return [float(value) for value in values]


def decided(alert: Alert, state: State, note: str = "") -> AlertState:
    return AlertState(
        id=alert.id,
        state=state,
        subject=alert.subject,
        first_run=alert.first_run,
        first_created=alert.when,
        until=alert.until,
        changed="2026-02-01T00:00:00+00:00",
        note=note,
    )


def test_a_step_is_an_alert_with_its_place_size_and_certainty() -> None:
    (alert,) = case_alerts(history(stepped(40, (25, 1.05))))
    assert alert.subject.kind == "regression"
    assert (alert.subject.device, alert.subject.engine, alert.subject.variant) == ("pi4", "native", None)
    assert (alert.first_run, alert.previous_run) == ("run-025", "run-024")
    assert (alert.first_commit, alert.previous_commit) == ("19" * 20, "18" * 20)
    assert alert.when == "2026-01-26T00:00:00.000000+00:00"
    assert (alert.runs_before, alert.runs_since) == (25, 15)
    assert alert.effect == pytest.approx(0.05, abs=0.005)
    assert alert.low is not None
    assert alert.high is not None
    assert alert.low < 0.05 < alert.high
    assert alert.high - alert.low < 0.03
    assert alert.level is not None
    assert 0.96 <= alert.level < 1
    assert alert.confidence is not None
    assert alert.confidence > 0.99
    assert alert.is_current


def test_a_gain_is_an_improvement_and_a_small_step_is_nothing() -> None:
    worse, better = case_alerts(history(stepped(60, (20, 1.05), (40, 1 / 1.04))))
    assert (worse.subject.kind, better.subject.kind) == ("regression", "improvement")
    assert not worse.is_current
    assert better.is_current
    small = 1 + METRICS["latency"].floor / 2
    assert change_points(stepped(60, (30, small), noise=0.0005))
    assert case_alerts(history(stepped(60, (30, small), noise=0.0005))) == []
    assert case_alerts(history(stepped(60))) == []


def test_ids_stay_when_runs_are_added_and_tell_cases_apart() -> None:
    values = stepped(60, (20, 1.05), noise=0.001)
    ids = {case_alerts(history(values[:length]))[0].id for length in range(30, 60, 5)}
    assert len(ids) == 1
    other = case_alerts(history(values, "native", "native avx2"))[0]
    assert other.subject.variant == "avx2"
    assert other.id not in ids
    (gain,) = case_alerts(history([2e6 - value for value in values]))
    assert gain.id not in ids


def moved(alert: Alert, by: int, history_: History) -> AlertState:
    """A decision that was made when the change seemed to be some runs later."""
    at = list(history_.run_ids).index(alert.first_run) + by
    run, moment = history_.run_ids[at], history_.moments[at].isoformat(timespec="microseconds")
    state = decided(alert, "acknowledged", "a note")
    return msgspec.structs.replace(state, id=alert_id(alert.subject, run), first_run=run, first_created=moment)


@pytest.mark.parametrize("by", [-NEAR, -3, 0, 2, NEAR])
@pytest.mark.parametrize("pruned", [False, True])
def test_a_decision_stays_with_a_change_that_moves_a_little(by: int, pruned: bool) -> None:
    whole = history(stepped(40, (20, 1.05)))
    (alert,) = case_alerts(whole)
    state = moved(alert, by, whole)
    if pruned:
        state = msgspec.structs.replace(state, first_run="a-run-that-is-gone")
    (found,) = with_states([alert], [state])
    assert (found.id, found.state, found.note) == (state.id, "acknowledged", "a note")
    assert found.first_run == alert.first_run


@pytest.mark.parametrize("by", [-NEAR - 1, NEAR + 1])
def test_a_decision_about_a_change_far_away_is_not_taken(by: int) -> None:
    whole = history(stepped(40, (20, 1.05)))
    (alert,) = case_alerts(whole)
    (found,) = with_states([alert], [moved(alert, by, whole)])
    assert (found.id, found.state) == (alert.id, "new")


def test_ids_of_before_still_find_an_alert() -> None:
    whole = history(stepped(40, (20, 1.05)))
    (alert,) = case_alerts(whole)
    former = alert_id(alert.subject, whole.run_ids[list(whole.run_ids).index(alert.first_run) - 3])
    assert find([alert], former) == alert
    assert find([alert], alert.id[:5].upper()) == alert
    with pytest.raises(StoreError, match="no alert 'nothing'"):
        find([alert], "nothing")
    with pytest.raises(StoreError, match="no alert ''"):
        find([alert], "")


def test_a_prefix_of_two_ids_is_refused() -> None:
    both = [case_alerts(history(stepped(40, (20, 1.05)), engine))[0] for engine in map(str, range(60))]
    twins = [one for one in both if sum(other.id[0] == one.id[0] for other in both) > 1]
    with pytest.raises(StoreError, match="give more of the id"):
        find(both, twins[0].id[0])


def test_decisions_go_to_the_nearest_alert_and_each_once() -> None:
    whole = history(stepped(60, (20, 1.05), (26, 1.05), noise=0.001))
    first, second = case_alerts(whole)
    states = [decided(first, "wontfix"), decided(second, "fixed")]
    for order in (states, states[::-1]):
        found = with_states([first, second], order)
        assert [one.state for one in found] == ["wontfix", "fixed"]
    assert [one.state for one in with_states([first, second], states[1:])] == ["new", "fixed"]
    kind = msgspec.structs.replace(first.subject, kind="improvement")
    other = msgspec.structs.replace(states[0], subject=kind)
    assert [one.state for one in with_states([first, second], [other])] == ["new", "new"]


def test_what_gets_worse_after_a_fix_is_a_new_alert() -> None:
    values = stepped(31, (20, 1.05), (24, 1 / 1.05), (27, 1.05), noise=0.0002)
    (before,) = (one for one in case_alerts(history(values[:24])) if one.subject.kind == "regression")
    state = decided(before, "fixed")
    after = [one for one in case_alerts(history(values)) if one.subject.kind == "regression"]
    assert [one.first_run for one in after] == ["run-020", "run-027"] or len(after) == 1
    again = [one for one in with_states(after, [state]) if one.first_run == "run-027"]
    assert all(one.state == "new" for one in again)
    late = msgspec.structs.replace(after[-1], when="2026-01-28T00:00:00.000000+00:00")
    assert with_states([late], [state])[0].state == "new"


# Verdicts


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


# Stores


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("team")
    Team(120).write(path)
    return path


def test_the_alerts_of_a_store(team: Path) -> None:
    found = alerts(Store(team))
    words = {alert.subject.source for alert in found}
    assert "verdicts" in words
    kinds = [alert.subject.kind for alert in found]
    assert kinds == sorted(kinds, reverse=True)
    assert len({alert.id for alert in found}) == len(found)
    devices = {alert.subject.device for alert in found}
    (one, *_) = sorted(devices)
    assert alerts(Store(team), devices=[one]) == [alert for alert in found if alert.subject.device == one]
    middle = sorted(alert.when for alert in found)[len(found) // 2]
    assert alerts(Store(team), since=middle) == [alert for alert in found if alert.when >= middle]
    with pytest.raises(ValueError, match="is no date or time"):
        alerts(Store(team), since="yesterday")
    with pytest.raises(StoreError, match="no such folder"):
        alerts(Store(team / "nothing"))
    shown = document(found[0])
    assert list(shown)[:4] == ["id", "kind", "source", "device"]
    assert "near" not in shown


def test_the_alerts_of_an_index_are_those_of_the_folders(team: Path, tmp_path: Path) -> None:
    import shutil

    from bnnbench.results.index.make import make_index

    shutil.copytree(team / "runs", tmp_path / "runs")
    store = Store(tmp_path)
    before = alerts(store)
    make_index(store.path, store.runs_path)
    assert alerts(store) == before
    assert before


def test_decisions_are_kept_and_damage_is_noticed(team: Path, tmp_path: Path) -> None:
    alert = alerts(Store(team))[0]
    path = write_state(tmp_path, decided(alert, "wontfix", "a known limit"))
    assert path == tmp_path / "alerts" / f"{alert.id}.json"
    (state,) = read_states(tmp_path)
    assert (state.state, state.note) == ("wontfix", "a known limit")
    (tmp_path / "alerts/notes.txt").write_text("not ours")
    data = bytearray(path.read_bytes())
    for place in range(0, len(data), 7):
        broken = bytearray(data)
        broken[place] ^= 1
        path.write_bytes(bytes(broken))
        with pytest.warns(StoreWarning, match=f"the state of alert {alert.id} is left out"):
            assert read_states(tmp_path) == []
    path.write_bytes(bytes(data))
    assert read_states(tmp_path) == [state]
    path.rename(path.with_name("0123456789ab.json"))
    with pytest.warns(StoreWarning, match="about another alert"):
        assert read_states(tmp_path) == []
