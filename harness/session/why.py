"""One sentence on where a difference comes from, by what was recorded: the clock, counters, or the steps of a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from bnnbench.devices.errors import CommandFailed
from bnnbench.kernels.engines.replies import Profile
from bnnbench.kernels.errors import EngineError
from bnnbench.results.records import Invocation, Pair, Side, Verdict

from ..bench.workbench import Workbench, load
from ..plan.cases import Case
from .counted_why import counted_pairs, explain_counts

_ROUNDS = 4
_RUNS = 10
_LIMIT_NS = 60_000_000_000
_DEADLINE_S = 90.0
_MOST = 3
_EXPLAINS = 0.6
"""A step's part of the whole difference from which on it is said to be most of it; one with `_ALL` is all of it."""
_ALL = 0.9


def why(
    bench: Workbench,
    cases: Mapping[Side, Case],
    pairs: Sequence[Pair],
    invocations: Mapping[Side, Sequence[Invocation]],
    found: Verdict,
) -> str | None:
    """None where nothing that was recorded says more. Raises DeviceError, Interrupted."""
    assert found.effect is not None
    if clock := _clock(pairs, found.effect):
        return clock
    counts = explain_counts(counted_pairs(pairs, invocations), found.effect)
    return "; ".join(filter(None, (_steps(bench, cases), counts))) or None


def _clock(pairs: Sequence[Pair], effect: float) -> str | None:
    ratios = [
        math.log(pair.head_clock_hz / pair.base_clock_hz)
        for pair in pairs
        if pair.dropped is None and pair.head_clock_hz and pair.base_clock_hz
    ]
    if not ratios:
        return None
    slower = -math.expm1(median(ratios))
    if abs(slower) < 0.003 or slower * effect <= 0 or abs(slower) < abs(effect) / 3:
        return None
    return f"the head ran at a clock {abs(slower) * 100:.1f} % {'lower' if slower > 0 else 'higher'} than the base"


def _steps(bench: Workbench, cases: Mapping[Side, Case]) -> str | None:
    if any(case.workload.kind != "model" or not case.engine.traces for case in cases.values()):
        return None
    profiles: dict[Side, list[Profile]] = {"base": [], "head": []}
    try:
        for _ in range(_ROUNDS):
            for side, case in cases.items():
                with bench.lease.engine(case.engine.name, case.record.threads, _DEADLINE_S) as (client, _hello):
                    load(client, case, 0)
                    with bench.timed():
                        client.profile("case", runs=_RUNS, threads=case.record.threads, limit_ns=_LIMIT_NS)
                        profiles[side].append(
                            client.profile("case", runs=_RUNS, threads=case.record.threads, limit_ns=_LIMIT_NS)
                        )
    except (EngineError, CommandFailed):
        return None  # an old engine may not have the verb
    return explain_steps(*(_medians(profiles[side]) for side in ("base", "head")))


def _medians(profiles: Sequence[Profile]) -> dict[tuple[int, str], float]:
    """Step -> median over the processes of its median time."""
    return {
        (op.index, f"{op.op} {op.name}".strip()): median(median(profile.ops[place].ns) for profile in profiles)
        for place, op in enumerate(profiles[0].ops)
    }


def explain_steps(base: Mapping[tuple[int, str], float], head: Mapping[tuple[int, str], float]) -> str | None:
    """Which steps make the difference, from ns of each; None when the models have other steps, or none stands out."""
    if base.keys() != head.keys():
        return f"the head has other steps: {len(head)} where the base has {len(base)}"
    total = sum(head.values()) - sum(base.values())
    if not total:
        return None
    parts = sorted(((head[step] - base[step]) / total, step) for step in base)[::-1]
    shown, share = [], 0.0
    for part, step in parts[:_MOST]:
        shown.append(step)
        share += part
        if share >= _EXPLAINS:
            break
    if share < _EXPLAINS:
        return f"it is spread over many steps; the largest part, {parts[0][0] * 100:.0f} %, is in {_named(parts[0][1])}"
    how = "all" if share >= _ALL else f"{share * 100:.0f} %"
    return f"{how} of it is in {' and '.join(map(_named, shown))}"


def _named(step: tuple[int, str]) -> str:
    return f"step {step[0]}, {step[1]}"
