"""What a store knows of a case: how long its processes took, and how far pairs of them lay apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from bnnbench.results.frames import load
from bnnbench.results.records import Invocation, Pair
from bnnbench.results.store.runs import Store, StoredRun
from bnnbench.results.verdict.paired import difference

_COLUMNS = ("run_id", "workload", "device", "threads", "engine", "status")
_MOST_RUNS = 8
"""Of a case: the newest ones."""


class CaseKey(NamedTuple):
    """Which case of different runs is the same."""

    workload: str
    device: str
    threads: int
    engine: str


@dataclass(slots=True)
class Past:
    """ns of each process, gate and evaluation of accuracy, the newest runs first; `sessions` are the differences
    (logarithms) of the kept pairs of each comparison of the engine with another version of itself."""

    invocation_ns: list[float] = field(default_factory=list)
    gate_ns: list[float] = field(default_factory=list)
    accuracy_ns: list[float] = field(default_factory=list)
    sessions: list[list[float]] = field(default_factory=list)


def middle(figures: Sequence[float]) -> float | None:
    """Their median; None for none."""
    return median(figures) if figures else None


def past_of(store: Store, wanted: Iterable[CaseKey]) -> dict[CaseKey, Past]:
    """Of each wanted case, from the newest runs that have it. Raises StoreError."""
    keys = set(wanted)
    found = {key: Past() for key in keys}
    if not keys or not store.path.is_dir():
        return found
    where = {"workload": {key.workload for key in keys}, "device": {key.device for key in keys}}
    rows = load(store, where=where, columns=_COLUMNS)
    runs: dict[str, None] = {}
    counts = dict.fromkeys(keys, 0)
    for row in rows[::-1].to_dict("records"):
        key = CaseKey(str(row["workload"]), str(row["device"]), int(row["threads"]), str(row["engine"]))
        if row["status"] == "ok" and key in counts and counts[key] < _MOST_RUNS:
            counts[key] += str(row["run_id"]) not in runs
            runs[str(row["run_id"])] = None
    for run_id in runs:
        _add(found, store.run(run_id))
    return found


def _add(found: Mapping[CaseKey, Past], run: StoredRun) -> None:
    keys = {case.id: CaseKey(case.workload, case.device, case.threads, case.engine) for case in run.record.cases}
    for id, gate in run.gates.items():
        if (past := found.get(keys[id])) is not None and gate.wall_ns:
            past.gate_ns.append(gate.wall_ns)
    for id, accuracy in run.accuracies.items():
        if (past := found.get(keys[id])) is not None and accuracy.wall_ns:
            past.accuracy_ns.append(accuracy.wall_ns)
    pairs: dict[str, list[float]] = {}
    for entry in run.entries:
        if isinstance(entry, Invocation):
            past = found.get(keys[entry.case_id]) if entry.case_id in keys else None
            if past is not None and entry.status == "ok" and entry.wall_ns:
                past.invocation_ns.append(entry.wall_ns)
        elif isinstance(entry, Pair) and entry.dropped is None and entry.base_ns > 0 < entry.head_ns:
            pairs.setdefault(f"{entry.comparison_id} {entry.stage}", []).append(difference(entry))
    for record in run.record.comparisons:
        sides = {keys.get(record.base_case), keys.get(record.head_case)}
        past = found.get(next(iter(sides))) if len(sides) == 1 and None not in sides else None  # type: ignore[arg-type]
        if past is not None:
            past.sessions += [d for stage in ("screen", "confirm") if (d := pairs.get(f"{record.id} {stage}"))]
