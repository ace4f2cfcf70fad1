"""How much the boards of a pool differ from each other: in the latency of one case, and in the verdicts on it.

Boards of one model differ by their chips, memory, firmware and cooling. Each is compared with itself only; what is
between them is told here, and is no verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import pandas as pd

from bnnbench.results import quantity
from bnnbench.results.engine_table import labelled
from bnnbench.results.records import RunRecord
from bnnbench.results.verdict.rows import VerdictRow

_CASE = ["workload", "series", "threads"]


@dataclass(frozen=True, slots=True)
class Spread:
    """One case on the boards of a pool, with latencies in ns. `share` is that of the slowest over the fastest, minus 1;
    `is_clear`: their intervals do not overlap, so it is more than the noise within each board."""

    pool: str
    case: str
    boards: int
    median_ns: float
    fastest: str
    fastest_ns: float
    slowest: str
    slowest_ns: float
    is_clear: bool

    @property
    def share(self) -> float:
        return self.slowest_ns / self.fastest_ns - 1

    @property
    def sentence(self) -> str:
        """Without a full stop."""
        beyond = "" if self.is_clear else ", within the noise of each board"
        low, high = quantity.duration(self.fastest_ns), quantity.duration(self.slowest_ns)
        return (
            f"{self.case} on {self.boards} boards of {self.pool!r}: {quantity.duration(self.median_ns)}, from {low} "
            f"({self.fastest}) to {high} ({self.slowest}): {quantity.percentage(self.share)} between boards{beyond}"
        )


@dataclass(frozen=True, slots=True)
class VerdictSpread:
    """One comparison on the boards of a pool: the verdicts by how many boards have them, and the least and the largest
    effect, as ratios minus 1."""

    pool: str
    case: str
    words: tuple[tuple[str, int], ...]
    least: tuple[str, float]
    most: tuple[str, float]

    @property
    def sentence(self) -> str:
        """Without a full stop."""
        boards = sum(count for _, count in self.words)
        words = ", ".join(f"{word} on {count}" for word, count in self.words)
        ends = " to ".join(f"{effect * 100:+.1f} % ({name})" for name, effect in (self.least, self.most))
        return f"{self.case} on {boards} boards of {self.pool!r}: {words}; from {ends}"


def spreads(record: RunRecord, frame: pd.DataFrame) -> list[Spread]:
    """Of a run's rows of `bnnbench.results.load`: each case that at least two boards of a pool have a latency of."""
    found: list[Spread] = []
    for pool, devices in record.asked.pools.items():
        rows = frame[
            frame["device"].isin(devices) & frame["latency_ns"].notna() & (frame["status"] == "ok").fillna(False)
        ]
        if rows["device"].nunique() < 2:
            continue
        rows = rows.copy()
        rows["series"] = labelled(rows)["series"]
        for (workload, series, threads), same in rows.groupby(_CASE, sort=False):
            if same["device"].nunique() > 1:
                case = f"{workload} · {series}" + ("" if threads == 1 else f" x{threads}")
                found.append(_spread(pool, case, same.sort_values("latency_ns").to_dict("records")))
    return found


def _spread(pool: str, case: str, rows: Sequence[dict[Any, Any]]) -> Spread:
    fastest, slowest = rows[0], rows[-1]
    high, low = fastest["latency_high_ns"], slowest["latency_low_ns"]
    return Spread(
        pool=pool,
        case=case,
        boards=len(rows),
        median_ns=float(median(row["latency_ns"] for row in rows)),
        fastest=fastest["device"],
        fastest_ns=float(fastest["latency_ns"]),
        slowest=slowest["device"],
        slowest_ns=float(slowest["latency_ns"]),
        is_clear=bool(pd.notna(high) and pd.notna(low) and high < low),
    )


def verdict_spreads(record: RunRecord, rows: Sequence[VerdictRow]) -> list[VerdictSpread]:
    """Of the verdicts of a run on its main metric: each comparison that at least two boards of a pool have."""
    found: list[VerdictSpread] = []
    for pool, devices in record.asked.pools.items():
        cases: dict[str, list[VerdictRow]] = {}
        for row in rows:
            about = row.record
            if about.device in devices and row.is_main and row.verdict.effect is not None:
                threads = f" x{about.threads}" if about.threads > 1 else ""
                cases.setdefault(f"{about.workload}{threads}, {about.base} -> {about.head}", []).append(row)
        for case, same in cases.items():
            effects = sorted((row.verdict.effect or 0.0, row.record.device) for row in same)
            if len({device for _, device in effects}) > 1:
                words = tuple(Counter(row.word for row in same).most_common())
                ends = [(name, effect) for effect, name in (effects[0], effects[-1])]
                found.append(VerdictSpread(pool, case, words, ends[0], ends[1]))
    return found
