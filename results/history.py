"""Each case over runs and commits, and where it changed. Weaker than a comparison: days lie between its figures."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
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


def remembering(detect: Detect) -> Detect:
    """A `detect` that looks at the same figures once."""
    known: dict[bytes, Sequence[ChangePoint]] = {}

    def found(figures: Sequence[float]) -> Sequence[ChangePoint]:
        key = np.asarray(figures, float).tobytes()
        if key not in known:
            known[key] = detect(figures)
        return known[key]

    return found


def histories(frame: pd.DataFrame, detect: Detect = change_points) -> list[History]:
    """Of a frame of `bnnbench.results.load`: cases with a latency in `LEAST_RUNS` runs, those that changed most
    first. `detect` finds the changes of a case; one that remembers what it found saves that work for cases without new
    runs."""
    sides = equal(frame["variant"], "base") | equal(
        frame["variant"], "head"
    )  # of comparisons, which have verdicts of their own
    timed = frame[frame["latency_ns"].notna() & equal(frame["status"], "ok") & ~sides].copy()
    if timed.empty:
        return []
    timed["series"] = labelled(timed)["series"]
    found = []
    for key, rows in timed.sort_values("created").groupby(_CASE, sort=False):
        rows = rows.drop_duplicates("run_id", keep="last")
        if len(rows) < LEAST_RUNS:
            continue
        workload, series, device, threads = map(str, key)
        values: list[float] = rows["latency_ns"].to_numpy(float).tolist()
        found.append(
            History(
                workload=workload,
                series=series,
                engine=str(rows["engine"].iloc[0]),
                device=device,
                threads=int(threads),
                run_ids=rows["run_id"].tolist(),
                moments=cast(Sequence[pd.Timestamp], pd.DatetimeIndex(rows["created"])),  # a list takes longer to make
                commits=rows["commit"].astype(object).where(rows["commit"].notna(), None).tolist(),
                values_ns=values,
                changes=detect(values),
            )
        )
    return sorted(found, key=lambda history: -_largest(history))


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
