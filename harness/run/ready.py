"""What a run begins with: connected devices, and what is planned for them."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bnnbench.results.records import ComparisonRecord

from ..bench.context import Watcher
from ..bench.reach import Reached, reach_all
from ..bench.trouble import sentence
from ..errors import CannotMeasure
from ..plan.cases import Plan, make_plan
from ..plan.comparisons import make_comparison_plan
from ..plan.config import RunConfig
from ..workload.of_suite import workloads


@dataclass(frozen=True, slots=True)
class Ready:
    """Connected devices, what is planned for them, and why the others did not answer, by name."""

    plan: Plan
    comparisons: list[ComparisonRecord]
    reached: list[Reached]
    unreached: dict[str, Exception]

    @property
    def failures(self) -> dict[str, str]:
        """Why, in a sentence each."""
        return {name: sentence(name, error) for name, error in self.unreached.items()}


@contextmanager
def ready_to_run(config: RunConfig, watcher: Watcher, known: Container[str] | None = None) -> Iterator[Ready]:
    """`known` are the only devices to go to: a resumed run's are those that answered when it began."""
    engines = config.chosen_engines()
    cases = [] if config.compare else workloads(config.suite)
    specs = [spec for spec in config.specs() if known is None or spec.name in known]
    reached, unreached = reach_all(specs, engines, watcher.note)
    try:
        if not reached:
            raise CannotMeasure(" ".join(map(str, unreached.values())))
        targets = [one.target for one in reached]
        counts = config.thread_counts()
        comparisons: list[ComparisonRecord] = []
        if config.compare:
            plan, comparisons = make_comparison_plan(
                config.compare, config.suite, engines, counts, targets, config.filter
            )
        else:
            plan = make_plan(cases, engines, counts, targets, config.filter)
        yield Ready(plan, comparisons, reached, unreached)
    finally:
        for one in reached:
            one.transport.close()
