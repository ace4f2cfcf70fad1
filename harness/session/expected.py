"""How long a session will take, by what the store knows, told before it starts."""

from __future__ import annotations

from collections.abc import Sequence

from bnnbench.results.errors import StoreError
from bnnbench.results.past import CaseKey, Past, middle, past_of
from bnnbench.results.statistics.planning import Noise, outlook
from bnnbench.results.statistics.sequential import Rules
from bnnbench.results.store.runs import Store

from ..plan.cases import Case

_REPETITIONS = 40
"""Enough for a mean number of pairs."""


def pasts(store: Store, cases: Sequence[Case]) -> dict[str, Past]:
    """By the id of a case; empty where the store cannot be read, which whoever writes to it will tell."""
    keys = {case.record.id: key_of(case) for case in cases}
    try:
        found = past_of(store, keys.values())
    except StoreError:
        return {}
    return {id: found[key] for id, key in keys.items()}


def key_of(case: Case) -> CaseKey:
    """Which case of other runs is the same."""
    record = case.record
    return CaseKey(record.workload, record.device, record.threads, record.engine)


def timing_s(known: dict[str, Past], cases: Sequence[Case], invocations: int) -> float | None:
    """Of a run's cases; None where one was never measured."""
    total = 0.0
    for case in cases:
        past = known.get(case.record.id, Past())
        each = middle(past.invocation_ns)
        if each is None:
            return None
        total += invocations * each + (middle(past.gate_ns) or 0) + (middle(past.accuracy_ns) or 0)
    return total / 1e9


def comparing_s(rules: Rules, pairs_ns: Sequence[float], noises: Sequence[Noise]) -> float:
    """Of comparisons in which nothing changed, one for each `noises`; `pairs_ns` is how long a pair takes."""
    drawn = [outlook(rules, noise.draw, rules.margin, _REPETITIONS).pairs_same for noise in noises]
    return sum(pairs * ns for pairs, ns in zip(drawn, pairs_ns, strict=True)) / 1e9
