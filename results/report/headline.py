"""What a reader should know first: how much is proven, what ran where, and the best speed-up."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bnnbench.results.columns import equal
from bnnbench.results.engine_table import PROVEN, with_speedup
from bnnbench.results.metrics import METRICS, OBJECTIVES
from bnnbench.results.report.figures import doubt_of, figure_of, speedup_of
from bnnbench.results.store.stored_run import StoredRun

_ACCURACY = METRICS["accuracy"]
_FAST, _REFERENCE = "native", "numba"


@dataclass(frozen=True, slots=True)
class Claim:
    """A large figure, the words below it, and a line of detail; `span` is the figure's interval, `notes` are what has
    to be read with it."""

    figure: str
    words: str
    detail: str
    span: str = ""
    notes: tuple[str, ...] = ()


def claims(frame: pd.DataFrame, runs: Sequence[StoredRun]) -> list[Claim]:
    """Two to four claims: that of accuracy where one dataset was predicted, that of the speed-up where two engines
    were timed on one workload and device."""
    found = [_proven(frame)]
    for claim in (_accuracy(frame), _speedup(frame)):
        if claim is not None:
            found.append(claim)
    return [*found, _scope(frame, runs)]


def _proven(frame: pd.DataFrame) -> Claim:
    statuses = frame["status"]
    total = int((statuses != "skipped").sum())
    proven = int(statuses.isin(PROVEN).sum())
    details = [
        f"{count} {word}"
        for status, word in (
            ("wrong_output", "with wrong output"),
            ("failed", "failed"),
            ("unverified", "unverified"),
            ("unstable", "unstable"),
            ("skipped", "skipped"),
        )
        if (count := int((statuses == status).sum()))
    ]
    detail = ", ".join(details) or "nothing failed, nothing was skipped"
    return Claim(
        f"{proven} of {total}",
        "cases proven: before a case was timed, its output on that device equalled the reference",
        detail,
    )


def _accuracy(frame: pd.DataFrame) -> Claim | None:
    found = frame[equal(frame["status"], "ok") & frame["accuracy"].notna()]
    if found.empty or found["dataset_sha256"].nunique() > 1:
        return None
    best = max(found.to_dict("records"), key=lambda row: float(row["accuracy"]))
    others = [figure_of(best, item) for item in OBJECTIVES.values() if item is not _ACCURACY]
    figures = ", ".join(other.sentence for other in others if other.text)
    own = figure_of(best, _ACCURACY)
    several = found["workload"].nunique()
    return Claim(
        own.text,
        ("best accuracy" + (f" of {several} models" if several > 1 else ""))
        + f", on {_images(best['accuracy_n'])} of {'its dataset' if pd.isna(best['dataset']) else best['dataset']}",
        f"{best['workload']} on {best['device']}" + (f": {figures}" if figures else ""),
        own.span,
        doubt_of(best, METRICS["latency"]),
    )


def _images(count: object) -> str:
    return "images" if pd.isna(count) else f"{int(str(count)):,} images"  # type: ignore[call-overload]


def _speedup(frame: pd.DataFrame) -> Claim | None:
    """Over the readable reference where that was measured too, else over the slowest engine."""
    timed = frame[frame["latency_ns"].notna()]
    named = with_speedup(timed, _REFERENCE if equal(timed["engine"], _REFERENCE).any() else None)
    fast = named[equal(named["engine"], _FAST) & named["over"].notna() & named["status"].isin(PROVEN)]
    if fast.empty:
        return None
    best = max(fast.to_dict("records"), key=lambda row: float(row["speedup"]))
    line = (best["workload"], best["place"], best["threads"], best["over"])
    keys = ["workload", "place", "threads", "series"]
    (rival, *_) = (row for row in named.to_dict("records") if tuple(row[key] for key in keys) == line)
    gain = speedup_of(best)
    times = " instead of ".join(figure_of(row, METRICS["latency"]).sentence for row in (best, rival))
    caveat = "" if pd.isna(best["over_caveat"]) else f" ({best['over_caveat']})"
    return Claim(
        gain.text,
        f"best speed-up of {_FAST} over {best['over']}{caveat}",
        f"{best['workload']} on {best['place']}: {times}",
        gain.span,
        doubt_of(best, METRICS["latency"]),
    )


def _scope(frame: pd.DataFrame, runs: Sequence[StoredRun]) -> Claim:
    workloads, devices = frame["workload"].nunique(), frame["place"].nunique() if "place" in frame else 0
    devices = devices or frame["device"].nunique()
    engines = ", ".join(sorted(str(name) for name in frame["engine"].dropna().unique()))
    walls = [run.end.wall_ns for run in runs if run.end is not None and run.end.wall_ns]
    took = f"; {minutes(sum(walls))} in all" if walls else ""
    return Claim(
        str(workloads),
        f"workload{'s' * (workloads != 1)} on {devices} device{'s' * (devices != 1)}",
        f"engines: {engines or 'none'}{took}",
    )


def minutes(ns: float) -> str:
    """A long time: `4 min 5 s`."""
    seconds = round(ns / 1e9)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
