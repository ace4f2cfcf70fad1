"""What a reader should know first: how much is proven, what ran where, and the best speed-up."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bnnbench.results import quantity
from bnnbench.results.columns import equal
from bnnbench.results.engine_table import PROVEN, Cell, Line, lines
from bnnbench.results.metrics import METRICS, OBJECTIVES
from bnnbench.results.store.stored_run import StoredRun

_ACCURACY = METRICS["accuracy"]
_FAST, _REFERENCE = "native", "numba"


@dataclass(frozen=True, slots=True)
class Claim:
    """A large figure, the words below it, and a line of detail."""

    figure: str
    words: str
    detail: str


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
    others = [one for one in OBJECTIVES.values() if one is not _ACCURACY and not pd.isna(best[one.column])]
    figures = ", ".join(one.text(float(best[one.column])) for one in others)
    several = found["workload"].nunique()
    return Claim(
        _ACCURACY.text(float(best["accuracy"])),
        ("best accuracy" + (f" of {several} models" if several > 1 else ""))
        + f", on {_images(best['accuracy_n'])} of {'its dataset' if pd.isna(best['dataset']) else best['dataset']}",
        f"{best['workload']} on {best['device']}" + (f": {figures}" if figures else ""),
    )


def _images(count: object) -> str:
    return "images" if pd.isna(count) else f"{int(str(count)):,} images"  # type: ignore[call-overload]


def _speedup(frame: pd.DataFrame) -> Claim | None:
    best: tuple[float, Line, Cell, Cell] | None = None
    for line in lines(frame):
        fast = _best_of(line, _FAST)
        reference = _best_of(line, _REFERENCE)
        if fast is None or reference is None or fast.latency_ns is None or reference.latency_ns is None:
            continue
        gain = reference.latency_ns / fast.latency_ns
        if best is None or gain > best[0]:
            best = (gain, line, fast, reference)
    if best is None:
        return None
    gain, line, fast, reference = best
    assert fast.latency_ns is not None
    assert reference.latency_ns is not None
    return Claim(
        quantity.ratio(gain),
        f"best speed-up of {_FAST} over {_REFERENCE}",
        f"{line.workload} on {line.place}: {quantity.duration(fast.latency_ns)} "
        f"instead of {quantity.duration(reference.latency_ns)}",
    )


def _best_of(line: Line, engine: str) -> Cell | None:
    cells = [
        cell
        for name, cell in line.cells.items()
        if cell.latency_ns and cell.status in PROVEN and (name == engine or name.startswith(engine + " "))
    ]
    return min(cells, key=lambda cell: cell.latency_ns or 0.0, default=None)


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
