"""What comparing a suite on some devices will take and show, by what the store knows; no device is asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from bnnbench.devices.machines import machines
from bnnbench.results.metrics import METRICS
from bnnbench.results.past import CaseKey, Past, middle, past_of
from bnnbench.results.records.policy import SuiteRules
from bnnbench.results.statistics.planning import (
    Draw,
    Outlook,
    known_noise,
    least_looks,
    of_sigma,
    outlook,
)
from bnnbench.results.statistics.sequential import MDE_POWER, Rules, minimum_detectable_effect
from bnnbench.results.store.calibration import latest
from bnnbench.results.store.runs import Store
from bnnbench.results.verdict.paired import with_metric
from bnnbench.results.verdict.policy import MAIN, Policy

from ..errors import SuiteError
from ..plan.cases import matching
from ..plan.config import RunConfig
from ..session.budget import MOST_PAIRS, budget_for
from ..workload.of_suite import workloads

if TYPE_CHECKING:
    from ..lab.lab_places import LabPlace, LabPlaces


@dataclass(frozen=True, slots=True)
class CaseEstimate:
    """`noise` says where the noise is known from, None where it is not. `planned` is by the looks of a comparison
    without a budget, `needed` by as many as see the effect with 90 %; None where none do. `seconds` are those of a
    comparison in which nothing changed, None where the case was never timed there; `least` is the effect that is seen.
    """

    key: CaseKey
    noise: str | None
    planned: Outlook | None
    needed: Outlook | None
    least: float | None
    seconds: float | None
    pair_s: float | None

    @property
    def is_seen(self) -> bool | None:
        """Whether a comparison without a budget sees the effect with 90 %; None where that is not known."""
        return None if self.planned is None else self.planned.power >= MDE_POWER


@dataclass(frozen=True, slots=True)
class Estimate:
    """`seconds` of the whole: machines work at the same time, devices of one machine one after another. `unknown` cases
    are not in it. `dropped` do not fit into the budget. `refused` are sentences about models that are not imported.
    `places` of devices of a lab say when they can be had; waiting is not in `seconds`."""

    see: float
    cases: Sequence[CaseEstimate]
    seconds: float
    unknown: Sequence[CaseKey]
    budget_s: float | None = None
    dropped: Sequence[CaseEstimate] = ()
    uncalibrated: Sequence[str] = ()
    refused: Sequence[str] = ()
    places: Mapping[str, LabPlace] = field(default_factory=dict)

    def needed_budget_s(self, device: str) -> float | None:
        """The `--budget` with which all cases of a device that can see the effect do; None where the planned looks do,
        or nothing is known."""
        mine = [case for case in self.cases if case.key.device == device and case.pair_s is not None]
        more = [case for case in mine if not case.is_seen and case.needed is not None]
        if not more:
            return None
        looks = max(case.needed.looks[-1] for case in more if case.needed is not None)
        return budget_for(looks, [case.pair_s * 1e9 for case in mine if case.pair_s is not None])


def estimate(
    config: RunConfig,
    store: Store,
    see: float,
    budget_s: float | None = None,
    places: LabPlaces | None = None,
) -> Estimate:
    """For an effect `see` (a ratio minus 1). `places` are those of a lab's devices. Raises SuiteError, CallError,
    InventoryError, StoreError."""
    every = matching(workloads(config.suite), config.filter)
    chosen = [workload for workload in every if not workload.unverified]  # others never get a verdict
    refused = [f"{workload.unverified}." for workload in every if workload.unverified]
    if refused and not chosen:
        raise SuiteError(" ".join(refused))
    engines = [engine.name for engine in config.chosen_engines()]
    keys = [
        CaseKey(workload.name, device, threads, engine)
        for device in config.device_names()
        for workload in chosen
        for engine in engines
        for threads in config.thread_counts()
    ]
    past = past_of(store, keys)
    policy = Policy(msgspec.convert(msgspec.to_builtins(config.suite), SuiteRules))
    sigmas = {name: _calibrated(store, name) for name in config.device_names()}
    cases = [_case(key, past[key], policy, sigmas[key.device], see) for key in keys]
    dropped = _dropped(cases, budget_s)
    return Estimate(
        see,
        cases,
        _together(_groups(config, places), [case for case in cases if case not in dropped]),
        [case.key for case in cases if case.seconds is None],
        budget_s,
        dropped,
        [name for name, sigma in sigmas.items() if sigma is None],
        refused=refused,
        places={} if places is None else places.of_device,
    )


def _case(key: CaseKey, past: Past, policy: Policy, sigma: float | None, see: float) -> CaseEstimate:
    tuned = policy.tuned(METRICS[MAIN], key.workload, key.device)
    rules = with_metric(Rules(), tuned)
    noise = known_noise(past.sessions, sigma)
    planned = needed = least = None
    if noise is not None and noise.sigma is not None:
        planned, needed = _normal(rules, noise.sigma, see)
        least = minimum_detectable_effect(rules, noise.sigma)
    elif noise is not None:
        planned, needed = _outlooks(rules, noise.draw, see)
    source = None if noise is None else noise.source
    each = middle(past.invocation_ns)
    if each is None or planned is None:
        return CaseEstimate(key, source, planned, needed, least, None, None if each is None else 2 * each / 1e9)
    pair_s = 2 * each / 1e9
    before_s = 2 * ((middle(past.gate_ns) or 0) + (middle(past.accuracy_ns) or 0)) / 1e9
    return CaseEstimate(key, source, planned, needed, least, before_s + planned.pairs_same * pair_s, pair_s)


def _outlooks(rules: Rules, noise: Draw, see: float) -> tuple[Outlook, Outlook | None]:
    planned = outlook(rules, noise, see)
    if planned.power >= MDE_POWER:
        return planned, planned
    return planned, least_looks(rules, noise, see, MDE_POWER, MOST_PAIRS)


@lru_cache
def _normal(rules: Rules, sigma: float, see: float) -> tuple[Outlook, Outlook | None]:
    """Many cases of a device have the sigma of its calibration."""
    return _outlooks(rules, of_sigma(sigma), see)


def _calibrated(store: Store, device: str) -> float | None:
    found = latest(store.path, device)
    return found.sigma if found else None


def _dropped(cases: Sequence[CaseEstimate], budget_s: float | None) -> list[CaseEstimate]:
    """The longest cases of a device, until the others fit into the budget."""
    dropped: list[CaseEstimate] = []
    for device in dict.fromkeys(case.key.device for case in cases):
        timed = [case for case in cases if case.key.device == device and case.seconds is not None]
        timed.sort(key=lambda case: case.seconds or 0.0)
        while budget_s is not None and timed and sum(case.seconds or 0.0 for case in timed) > budget_s:
            dropped.append(timed.pop())
    return dropped


def _groups(config: RunConfig, places: LabPlaces | None) -> Sequence[Sequence[str]]:
    """The devices that take turns."""
    if places is not None:
        return places.groups
    found = machines((spec, None) for spec in config.specs())
    return [[spec.name for spec in group.devices] for group in found]


def _together(groups: Sequence[Sequence[str]], cases: Sequence[CaseEstimate]) -> float:
    seconds: dict[str, float] = defaultdict(float)
    for case in cases:
        seconds[case.key.device] += case.seconds or 0.0
    return max((sum(seconds[name] for name in group) for group in groups), default=0.0)
