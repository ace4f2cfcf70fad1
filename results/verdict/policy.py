"""What a suite asks of a run's figures: how large a difference counts, which ones fail, and what is allowed.

Later rules win: the metric's own floor and margin, those of `[verdict]` (of latency), of `[verdict.METRIC]`, then every
`[[verdict.rule]]` that fits, in the order of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from bnnbench.results.metric import Metric
from bnnbench.results.records.policy import Allowance, Direction, MetricRules, ScopedRules, SuiteRules
from bnnbench.results.verdict.budget import Budget, budget

if TYPE_CHECKING:
    from bnnbench.results.records import RunRecord, Verdict

MAIN = "latency"
"""The metric whose floor and margin stand in `[verdict]` itself."""


@dataclass(frozen=True)
class Policy:
    """`day` is the date of the run, ISO 8601: allowances are judged by it, so that a stored run stays what it was."""

    rules: SuiteRules
    day: str = ""
    workloads: int = 1
    """So many share the error rate of tests that have one for the whole suite."""

    @classmethod
    def of(cls, record: RunRecord) -> Policy:
        """That of a stored run; runs of before tested each workload by itself. Raises StoreError."""
        rules = record.asked.suite
        compared = {item.workload for item in record.comparisons}
        return cls(rules, record.created[:10], 1 if rules.gate is None else max(1, len(compared)))

    def tuned(self, metric: Metric, workload: str, device: str) -> Metric:
        """The metric with its floor, margin and level for a workload on a device; a margin is at least the floor where
        only the floor was set."""
        floor, margin = metric.floor, metric.margin
        for given in self._given(metric.key, workload, device):
            if given.floor is not None:
                floor = given.floor
            if given.margin is not None:
                margin = given.margin
            elif given.floor is not None:
                margin = max(margin, floor)
        return replace(metric, floor=floor, margin=margin, alpha=metric.alpha / self.workloads)

    def direction(self, metric: str, workload: str, device: str) -> Direction:
        """Which changes of it fail."""
        found: Direction = "worse"
        for given in self._given(metric, workload, device):
            found = given.direction or found
        return found

    def gates(self, metric: str) -> bool:
        """Whether it decides if a check passes."""
        return not self.rules.gate or metric in self.rules.gate

    @property
    def asked_for(self) -> Sequence[str]:
        """The metrics that the suite names as gates: each needs a verdict."""
        return self.rules.gate or ()

    def allowance(self, verdict: Verdict, workload: str, device: str) -> Allowance | None:
        """The one that the change falls under, also where it has expired; one that holds comes first."""
        effect = abs(verdict.effect) if verdict.effect is not None else None
        fitting = [
            item
            for item in self.rules.verdict.allow
            if item.metric == verdict.metric
            and _fits(item.workload, item.device, workload, device)
            and effect is not None
            and (item.up_to is None or effect <= item.up_to)
        ]
        return next((item for item in fitting if not self.is_over(item)), fitting[0] if fitting else None)

    def is_over(self, allowance: Allowance) -> bool:
        """Whether its last day is before that of the run."""
        return bool(self.day) and allowance.until.isoformat() < self.day

    def budgets(self, workload: str, device: str) -> list[Budget]:
        """Those of a workload on a device, each once."""
        rules = self.rules.verdict
        texts = [*rules.budget]
        for rule in rules.rule:
            if _fits(rule.workload, rule.device, workload, device):
                texts += rule.budget
        return [self._parsed[text] for text in dict.fromkeys(texts)]

    @property
    def all_budgets(self) -> list[Budget]:
        """Every one that the suite names."""
        return list(self._parsed.values())

    @cached_property
    def _parsed(self) -> dict[str, Budget]:
        rules = self.rules.verdict
        return {text: budget(text) for text in [*rules.budget, *(text for rule in rules.rule for text in rule.budget)]}

    def _given(self, metric: str, workload: str, device: str) -> Iterator[MetricRules]:
        rules = self.rules.verdict
        if metric == MAIN:
            yield MetricRules(floor=rules.floor, margin=rules.margin)
        if metric in rules.metric:
            yield rules.metric[metric]
        for rule in rules.rule:
            if _is_of(rule, metric) and _fits(rule.workload, rule.device, workload, device):
                yield rule


EVERYTHING = Policy(SuiteRules())
"""Where no suite says anything."""


def _is_of(rule: ScopedRules, metric: str) -> bool:
    return not rule.metric or metric in rule.metric


def _fits(pattern: str, devices: Sequence[str], workload: str, device: str) -> bool:
    return (not devices or device in devices) and re.search(pattern, workload) is not None
