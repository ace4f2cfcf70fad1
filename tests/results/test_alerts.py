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
from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.history import History
from bnnbench.results.metrics import METRICS
from bnnbench.results.statistics.change_point import ChangePoint, change_points
from bnnbench.results.store.alert_states import AlertState, State, read_states, write_state
from bnnbench.results.store.runs import Store
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


def test_a_fixed_change_that_moves_stays_fixed_and_what_gets_worse_again_is_new() -> None:
    """With 25 runs the first step seems to be at run 18, with 40 runs it is at run 20, and another one at run 25."""
    values = stepped(40, (20, 1.05), (25, 1.04), noise=0.0002, seed=0)
    (before,) = case_alerts(history(values[:25]))
    state = decided(before, "fixed", "by a revert")
    first, second = with_states(case_alerts(history(values)), [state])
    assert (before.first_run, first.first_run, second.first_run) == ("run-018", "run-020", "run-025")
    assert (first.id, first.state, first.note) == (before.id, "fixed", "by a revert")
    assert second.state == "new"
    assert second.id != first.id
    # Run 25 was not known then, so the decision is not about it, even where nothing else is left.
    (alone,) = with_states(case_alerts(history(values))[1:], [state])
    assert (alone.id, alone.state) == (second.id, "new")


def test_a_gain_takes_no_decision_about_a_loss() -> None:
    values = stepped(60, (20, 1.05), (30, 1 / 1.05), (40, 1.05), noise=0.0002, seed=0)
    (before,) = case_alerts(history(values[:29]))
    found = with_states(case_alerts(history(values)), [decided(before, "fixed")])
    assert [(one.subject.kind, one.state) for one in found] == [
        *(("regression", "fixed"), ("improvement", "new"), ("regression", "new")),
    ]


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
    seen: list[int] = []

    def detect(values: Sequence[float]) -> list[ChangePoint]:
        seen.append(len(values))
        return []

    assert alerts(Store(team), detect=detect) == [alert for alert in found if alert.subject.source == "verdicts"]
    assert min(seen) >= 3
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
