"""Each case over runs and commits, and where it changed. Weaker than a comparison: days lie between its figures."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import pandas as pd

from bnnbench.results.columns import equal
from bnnbench.results.engine_table import labelled
from bnnbench.results.statistics.change_point import LEAST, ChangePoint, change_points
from bnnbench.results.statistics.robust_sigma import robust_sigma

LEAST_RUNS = 3
"""Runs of a case that make a history; a change needs eight."""
_CASE = ["workload", "series", "device", "threads"]
COLUMNS = (
    *("run_id", "created", "commit", "device", "emulated", "engine", "variant", "engine_build", "isa", "workload"),
    *("threads", "status", "latency_ns", "trust", "trust_reasons", "trust_words"),
)
"""Columns of the rows that histories are made of, and drawn."""


@dataclass(frozen=True, slots=True)
class History:
    """A case's latencies, oldest first, with the run, moment and commit of each."""

    workload: str
    series: str
    engine: str
    device: str
    threads: int
    run_ids: Sequence[str]
    moments: Sequence[pd.Timestamp]
    commits: Sequence[str | None]
    values_ns: Sequence[float]
    changes: Sequence[ChangePoint]

    @property
    def variant(self) -> str | None:
        """What tells its series from others of its engine, None where nothing does."""
        return self.series.removeprefix(self.engine).strip() or None

    @property
    def name(self) -> str:
        threads = f" x{self.threads}" if self.threads > 1 else ""
        return f"{self.workload} · {self.series}{threads}"


Detect = Callable[[Sequence[float]], Sequence[ChangePoint]]


def histories(frame: pd.DataFrame, detect: Detect = change_points) -> list[History]:
    """Of a frame of `bnnbench.results.load`: cases with a latency in `LEAST_RUNS` runs, those that changed most
    first. `detect` finds the changes of a case; one that remembers what it found saves that work for cases without new
    runs."""
    sides = equal(frame["variant"], "base") | equal(
        frame["variant"], "head"
    )  # of comparisons, which have verdicts of their own
    timed = _timed(frame[~sides]).copy()
    if timed.empty:
        return []
    timed["series"] = labelled(timed)["series"]
    cases = timed.sort_values("created").groupby(_CASE, sort=False)
    made = (history_of(rows, str(series), detect) for (_, series, _, _), rows in cases)
    return sorted((one for one in made if one is not None), key=lambda history: -_largest(history))


def history_of(rows: pd.DataFrame, series: str, detect: Detect = change_points) -> History | None:
    """Of the rows of one case, oldest first: those with a latency, the last of each run; None for fewer than
    `LEAST_RUNS`."""
    rows = _timed(rows).drop_duplicates("run_id", keep="last")
    if len(rows) < LEAST_RUNS:
        return None
    values: list[float] = rows["latency_ns"].to_numpy(float).tolist()
    workload, engine, device, threads = (
        str(rows[name].iloc[0]) for name in ("workload", "engine", "device", "threads")
    )
    return History(
        workload=workload,
        series=series,
        engine=engine,
        device=device,
        threads=int(threads),
        run_ids=rows["run_id"].tolist(),
        moments=cast(Sequence[pd.Timestamp], pd.DatetimeIndex(rows["created"])),  # a list takes longer to make
        commits=rows["commit"].astype(object).where(rows["commit"].notna(), None).tolist(),
        values_ns=values,
        changes=detect(values),
    )


def _timed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["latency_ns"].notna() & equal(frame["status"], "ok")]


def sentences(history: History) -> list[str]:
    """`+3.1 % since 20260131-142501 (commit 1a2b3c4d), 99.5 % sure`, one for each change."""
    lines = []
    for change in history.changes:
        commit = history.commits[change.at]
        since = history.run_ids[change.at] + (f" (commit {commit[:8]})" if commit else "")
        grown = change.after / change.before - 1
        lines.append(f"{grown * 100:+.1f} % since {since}, {change.confidence * 100:.2f} % sure")
    return lines


def history_alone(history: History, margin: float) -> str:
    """What a history says where nothing can be run side by side, with what it could not see; `margin` is a ratio minus
    1.

    A step of the margin is found by ranks after about 2 (z(0.995) + z(0.9))^2 (sigma / margin)^2 / 0.955 more runs.
    """
    lines = sentences(history)
    if lines:
        return f"{history.name} on {history.device}, from its {len(history.values_ns)} stored runs: {'; '.join(lines)}"
    steps = [math.log(after / before) for before, after in pairwise(history.values_ns)]
    sigma = robust_sigma(steps) / math.sqrt(2)
    runs = max(LEAST, math.ceil(2 * (2.576 + 1.282) ** 2 * (sigma / math.log1p(margin)) ** 2 / 0.955))
    return (
        f"{history.name} on {history.device}: no change over {len(history.values_ns)} runs, which differ by "
        f"{sigma * 100:.1f} %; a step of {margin * 100:g} % would show after about {runs} more"
    )


def _largest(history: History) -> float:
    return max((abs(change.after / change.before - 1) for change in history.changes), default=0.0)
