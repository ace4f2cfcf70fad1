"""The verdicts of comparisons with an earlier version as alerts.

Checks are made again and again. As long as they report the same of a case, against the same build, that is one alert;
it begins with the first of them. An `equivalent` ends it, `inconclusive` does not. Once somebody called it fixed, the
next bad verdict begins a new one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bnnbench.results.alerts.alert import Alert, NearRun, alert_id
from bnnbench.results.alerts.in_history import iso
from bnnbench.results.store.alert_states import AlertState, Kind, Subject
from bnnbench.results.store.baselines import Baseline

COLUMNS = (
    *("workload", "device", "threads", "metric", "unit", "base", "status", "verdict", "effect_unit", "effect"),
    *("low", "high", "level", "base_value", "head_value", "pairs", "why", "extra_ppm", "gated", "allowed"),
)
"""Columns of verdicts that alerts are made of."""
SIDE_COLUMNS = ("run_id", "workload", "device", "threads", "engine", "variant", "engine_build", "plan_sha256")
"""Columns of the cases of comparisons that are needed beside them."""
_CASE = ["run_id", "workload", "device", "threads"]
_KINDS: Mapping[str, Kind] = {"regression": "regression", "improvement": "improvement"}
Row = dict[Any, Any]


@dataclass(slots=True)
class _Streak:
    """Verdicts of one kind that follow each other; `rows` begins with the first of them."""

    subject: Subject
    rows: list[Row]
    before: list[Row]
    is_current: bool = True


def verdict_alerts(
    verdicts: pd.DataFrame,
    sides: pd.DataFrame,
    states: Iterable[AlertState] = (),
    baselines: Mapping[str, Baseline] | None = None,
) -> list[Alert]:
    """Alerts of verdicts with `COLUMNS`, runs oldest first (`results/index/verdicts.py`), oldest first; all are `new`.

    `sides` are the cases of the comparisons, with `SIDE_COLUMNS`. Only comparisons of an engine with an earlier version
    of itself (`ENGINE@BASELINE`, `ENGINE@FILE`) are taken, none of a calibration. `states` say which were called fixed,
    `baselines` by name where a case was last good if no comparison knows.
    """
    closed: dict[tuple[Subject, str], str] = {}
    for state in states:
        if state.state == "fixed":
            key = (state.subject, state.first_run)
            closed[key] = max(state.until, closed.get(key, ""))
    found: list[_Streak] = []
    for rows in _series(verdicts, sides):
        found += _streaks(rows, closed)
    made = [_alert(streak, baselines or {}) for streak in found]
    return sorted(made, key=lambda alert: (alert.when, alert.id))


def _series(verdicts: pd.DataFrame, sides: pd.DataFrame) -> list[list[Row]]:
    """The verdicts of each case and metric against one build, oldest first."""
    planned = verdicts["extra_ppm"].fillna(0) == 0
    of_version = verdicts["base"].str.contains("@", regex=False).fillna(False)
    taken = verdicts[(planned & of_version).to_numpy(bool)]
    if taken.empty:
        return []
    by_side = {side: sides[(sides["variant"] == side).fillna(False).to_numpy(bool)] for side in ("base", "head")}
    base = by_side["base"][[*_CASE, "engine", "engine_build", "plan_sha256"]].drop_duplicates(_CASE, keep="last")
    head = by_side["head"][[*_CASE, "engine"]].drop_duplicates(_CASE, keep="last")
    joined = taken.merge(base, on=_CASE, how="inner").merge(head, on=_CASE, how="inner", suffixes=("", "_head"))
    joined = joined[(joined["engine"] == joined["engine_head"]).fillna(False).to_numpy(bool)]
    keys = ["device", "workload", "engine", "threads", "metric", "base", "engine_build", "plan_sha256"]
    groups = joined.groupby(keys, sort=False, dropna=False)
    return [list(rows.drop_duplicates("run_id", keep="last").to_dict("records")) for _, rows in groups]


def _streaks(rows: Sequence[Row], closed: Mapping[tuple[Subject, str], str]) -> list[_Streak]:
    found: list[_Streak] = []
    now: _Streak | None = None
    until = ""
    for place, row in enumerate(rows):
        word: str | None = None if pd.isna(row["verdict"]) else str(row["verdict"])
        kind = _KINDS.get(word or "") if _counts(row) else None
        if kind is None:
            if (word == "equivalent" or not _counts(row)) and now is not None:
                now.is_current, now = False, None
            continue
        is_same = now is not None and now.subject.kind == kind and not (until and iso(row["created"]) > until)
        if now is None or not is_same:
            if now is not None:
                now.is_current = False
            now, until = _Streak(_subject(row, kind), [], list(rows[:place])), ""
            found.append(now)
        now.rows.append(row)
        until = max(until, closed.get((now.subject, str(row["run_id"])), ""))
    return found


def _counts(row: Row) -> bool:
    """Whether the change is of a gate of its suite, and none that it allows."""
    return pd.isna(row["gated"]) or (bool(row["gated"]) and not row["allowed"])


def _subject(row: Row, kind: Kind) -> Subject:
    return Subject(
        kind=kind,
        source="verdicts",
        device=str(row["device"]),
        workload=str(row["workload"]),
        engine=str(row["engine"]),
        variant=None,
        threads=int(row["threads"]),
        metric=str(row["metric"]),
        against=str(row["base"]),
    )


def _alert(streak: _Streak, baselines: Mapping[str, Baseline]) -> Alert:
    """Size and certainty are those of the newest verdict of the streak."""
    first, last = streak.rows[0], streak.rows[-1]
    previous_run, previous_commit = _previous(streak, baselines)
    return Alert(
        id=alert_id(streak.subject, str(first["run_id"])),
        subject=streak.subject,
        unit=str(first["unit"]),
        effect_unit=str(last["effect_unit"]),
        effect=float(last["effect"]),
        low=_number(last["low"]),
        high=_number(last["high"]),
        level=_number(last["level"]),
        before=_number(last["base_value"]),
        after=_number(last["head_value"]),
        confidence=_number(last["level"]),
        runs_before=len(streak.before),
        runs_since=len(streak.rows),
        pairs=None if pd.isna(last["pairs"]) else int(last["pairs"]),
        first_run=str(first["run_id"]),
        first_commit=_text(first["commit"]),
        previous_run=previous_run,
        previous_commit=previous_commit,
        when=iso(first["created"]),
        until=iso(last["created"]),
        is_current=streak.is_current,
        why=_text(last["why"]),
        near=[NearRun(str(row["run_id"]), iso(row["created"])) for row in streak.rows],
    )


def _previous(streak: _Streak, baselines: Mapping[str, Baseline]) -> tuple[str | None, str | None]:
    """The run and commit of the last comparison that was not bad, or else of the baseline, where that is still the
    one of then."""
    good = next((row for row in reversed(streak.before) if row["verdict"] == "equivalent"), None)
    if good is not None:
        return str(good["run_id"]), _text(good["commit"])
    baseline = baselines.get(str(streak.subject.against).partition("@")[2])
    if baseline is None or baseline.created > iso(streak.rows[0]["created"]):
        return None, None
    return baseline.run_id, baseline.commit


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def _text(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)
