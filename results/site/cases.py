"""The cases of a store over its runs: what the site keeps of each between two builds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import pandas as pd

from bnnbench.results.columns import equal, named
from bnnbench.results.history import LEAST_RUNS
from bnnbench.results.site.page import digest, slug
from bnnbench.results.statistics.change_point import Cut, change_points

COLUMNS = (
    *("run_id", "created", "commit", "device", "emulated", "boot_id", "engine", "variant", "engine_build", "workload"),
    *("kind", "threads", "status", "latency_ns", "latency_low_ns", "latency_high_ns", "latency_n", "instructions"),
    *("trust", "trust_words", "comparison", "gops", "macs_1bit", "bytes_moved"),
)
"""Columns of the rows that cases are made of."""
_KEY = ["device", "workload", "engine", "variant", "threads"]
_SPARK = 40


class CaseKey(NamedTuple):
    """What a history is of; `variant` is empty for none."""

    device: str
    workload: str
    engine: str
    variant: str
    threads: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change point: the first run after it, its commit, and the run before it; medians of the parts before and after
    it in the case's unit, and how sure it is, 0 to 1."""

    run_id: str
    created: str
    commit: str | None
    before_run: str
    before_commit: str | None
    before: float
    after: float
    confidence: float

    @property
    def effect(self) -> float:
        """Ratio minus 1: above 0 it became slower."""
        return self.after / self.before - 1


class CaseSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A case: its key, `unit` (`ns` or `instructions`) of its figures, in `runs` runs that have one. `last_*` are of
    its last run, with a figure or without, as are `gops` (10^9 operations per second) and `intensity` (operations per
    byte moved); `recent` are the last figures, oldest first; `parts` is
    what `change_points` looked at; `made_of` is a digest of its whole history."""

    device: str
    workload: str
    engine: str
    variant: str
    threads: int
    kind: str
    unit: str
    runs: int
    rows: int
    last_run: str
    last_created: str
    last_status: str
    last_value: float | None
    last_low: float | None
    last_high: float | None
    last_n: int | None
    last_trust: str
    gops: float | None
    intensity: float | None
    recent: list[float]
    recent_runs: list[str]
    changes: list[Change]
    parts: dict[str, Cut | None]
    made_of: str

    @property
    def key(self) -> CaseKey:
        """What it is of."""
        return CaseKey(self.device, self.workload, self.engine, self.variant, self.threads)

    @property
    def series(self) -> str:
        """Engine and variant, as in charts."""
        return f"{self.engine} {self.variant}".rstrip()

    @property
    def name(self) -> str:
        """Workload, engine and threads, without the device."""
        return f"{self.workload} · {self.series}" + (f" x{self.threads}" if self.threads > 1 else "")

    @property
    def linkable(self) -> list[str]:
        """The runs that its page links to where they have a page."""
        return list(dict.fromkeys([*(change.run_id for change in self.changes), self.last_run, *self.recent_runs]))

    @property
    def path(self) -> str:
        """Of its page."""
        return f"case/{slug(self.workload, self.device, self.engine, self.variant, str(self.threads))}.html"


def case_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a frame of `COLUMNS` that belong to histories: without sides of comparisons and skipped cases."""
    sides = equal(frame["variant"], "base") | equal(frame["variant"], "head") | equal(frame["comparison"], True)
    kept = named(frame[~sides & ~equal(frame["status"], "skipped")])
    hashes = pd.util.hash_pandas_object(kept[list(COLUMNS)], index=False)
    return kept.assign(variant=kept["variant"].fillna(""), _hash=hashes)


def by_case(rows: pd.DataFrame) -> Iterator[tuple[CaseKey, pd.DataFrame]]:
    """The rows of each case, in the order of its runs, the last one of a run that has several."""
    for key, group in rows.groupby(_KEY, sort=False, observed=True):
        device, workload, engine, variant, threads = map(str, key)
        yield (
            CaseKey(device, workload, engine, variant, int(threads)),
            group.drop_duplicates("run_id", keep="last"),
        )


def keys_of(rows: pd.DataFrame) -> set[CaseKey]:
    """The cases that rows of `case_rows` are of."""
    unique = rows[_KEY].drop_duplicates()
    return {
        CaseKey(str(row["device"]), str(row["workload"]), str(row["engine"]), str(row["variant"]), int(row["threads"]))
        for row in unique.to_dict("records")
    }


def unit_of(rows: pd.DataFrame) -> str:
    """What the figures of a case are: instructions only where nothing was timed."""
    return "instructions" if rows["latency_ns"].isna().all() and rows["instructions"].notna().any() else "ns"


def timed(rows: pd.DataFrame, unit: str) -> pd.DataFrame:
    """The rows of a case that have a figure to compare, with the figure as `value`, and its interval."""
    column = "latency_ns" if unit == "ns" else "instructions"
    found = rows[rows[column].notna() & rows["status"].isin(("ok", "unstable"))]
    low, high = ("latency_low_ns", "latency_high_ns") if unit == "ns" else (column, column)
    return found.assign(value=found[column], low=found[low], high=found[high])


def summary_of(key: CaseKey, rows: pd.DataFrame, before: CaseSummary | None = None) -> CaseSummary:
    """What is kept of a case, of its rows of `by_case`; `before` is returned where it was made of the same rows."""
    made_of = digest(rows["_hash"].to_numpy().tobytes().hex())
    if before is not None and before.made_of == made_of:
        return before
    unit = unit_of(rows)
    figures = timed(rows, unit)
    parts: dict[str, Cut | None] = {}
    changes = _changes(figures, {} if before is None else before.parts, parts)
    last = rows.iloc[-1]
    of_last = figures[figures["run_id"] == last["run_id"]]
    value, low, high = (
        (None if of_last.empty else _number(of_last.iloc[-1][name])) for name in ("value", "low", "high")
    )
    return CaseSummary(
        **key._asdict(),
        kind=str(last["kind"]),
        unit=unit,
        runs=len(figures),
        rows=len(rows),
        last_run=str(last["run_id"]),
        last_created=moment_text(last["created"]),
        last_status=str(last["status"]),
        last_value=value,
        last_low=low,
        last_high=high,
        last_n=None if pd.isna(last["latency_n"]) else int(last["latency_n"]),
        last_trust="" if pd.isna(last["trust"]) else str(last["trust"]),
        gops=_number(last["gops"]),
        intensity=_intensity(last["macs_1bit"], last["bytes_moved"]),
        recent=[float(f"{figure:.6g}") for figure in figures["value"].tail(_SPARK)],
        recent_runs=[str(run) for run in figures["run_id"].tail(_SPARK)],
        changes=changes,
        parts=parts,
        made_of=made_of,
    )


def moment_text(moment: Any) -> str:
    """A column's time as ISO 8601 in UTC to the second; empty where there is none."""
    return "" if moment is None or pd.isna(moment) else f"{moment.isoformat()[:19]}Z"


def moment_ms(moment: str) -> int:
    """ISO 8601 as milliseconds since 1970; 0 for what is no time."""
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return 0
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)


def _intensity(macs: Any, moved: Any) -> float | None:
    return None if pd.isna(macs) or pd.isna(moved) or not moved else 2 * float(macs) / float(moved)


def _changes(
    figures: pd.DataFrame, known: Mapping[str, Cut | None], looked_at: MutableMapping[str, Cut | None]
) -> list[Change]:
    stable = figures[figures["status"] == "ok"]
    values = [float(value) for value in stable["value"]]
    if len(values) < LEAST_RUNS or not all(map(math.isfinite, values)):
        return []
    runs, moments, commits = (stable[name].tolist() for name in ("run_id", "created", "commit"))
    return [
        Change(
            run_id=str(runs[found.at]),
            created=moment_text(moments[found.at]),
            commit=_commit(commits[found.at]),
            before_run=str(runs[found.at - 1]),
            before_commit=_commit(commits[found.at - 1]),
            before=found.before,
            after=found.after,
            confidence=found.confidence,
        )
        for found in change_points(values, known=known, looked_at=looked_at)
        if found.before > 0
    ]


def _commit(commit: Any) -> str | None:
    return None if pd.isna(commit) else str(commit)


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def neighbours(of: CaseSummary, cases: Iterable[CaseSummary]) -> Sequence[CaseSummary]:
    """The other cases of its workload, its device first."""
    found = [case for case in cases if case.workload == of.workload and case.key != of.key]
    return sorted(found, key=lambda case: (case.device != of.device, case.device, case.series, case.threads))
