"""What a run begins with: reached devices, and what is planned for them."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from bnnbench.kernels.engines import Engine
from bnnbench.results.records import ComparisonRecord

from ..bench.context import Watcher
from ..bench.trouble import sentence
from ..errors import CannotMeasure
from ..plan.cases import MeasurementPlan, make_plan, refused_models
from ..plan.comparisons import compared_workloads, make_comparison_plan
from ..plan.config import RunConfig
from ..plan.target import Target
from ..workload.base import Workload
from ..workload.of_suite import workloads
from ..workload.opened_images import OpenedImages
from .hosts import Hosts


@dataclass(frozen=True, slots=True)
class Ready:
    """Reached devices, what is planned for them, and why the others did not answer, by name."""

    plan: MeasurementPlan
    comparisons: list[ComparisonRecord]
    targets: list[Target]
    unreached: dict[str, Exception]
    hosts: Hosts

    @property
    def failures(self) -> dict[str, str]:
        """Why, in a sentence each."""
        return {name: sentence(name, error) for name, error in self.unreached.items()}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run asks for before it is known which devices answer: a function of its config."""

    config: RunConfig
    engines: list[Engine]
    workloads: Sequence[Workload]
    images: OpenedImages

    @classmethod
    def of(cls, config: RunConfig, watcher: Watcher) -> Asked:
        """Reads models and images. Raises HarnessError."""
        images = OpenedImages(partial(watcher.phase, "reading"))
        return cls(config, config.chosen_engines(), [] if config.compare else workloads(config.suite, images), images)

    @property
    def useful(self) -> list[Engine]:
        """Without those that run none of the workloads: they are listed as skipped, neither built nor pushed."""
        return [
            engine
            for engine in self.engines
            if self.config.compare or any(case.payload(engine.accepts) is not None for case in self.workloads)
        ]

    @property
    def everything(self) -> list[Workload]:
        """All workloads, of a comparison both sides'. Raises HarnessError."""
        if not self.config.compare:
            return list(self.workloads)
        base, head = compared_workloads(self.config.compare, self.config.suite, self.images)
        return base if base is head else [*base, *head]

    def plan(self, targets: Sequence[Target]) -> tuple[MeasurementPlan, list[ComparisonRecord]]:
        """Its cases on these devices, and its comparisons. Raises HarnessError."""
        config, counts = self.config, self.config.thread_counts()
        if config.compare:
            return make_comparison_plan(
                config.compare, config.suite, self.engines, counts, targets, config.filter, self.images
            )
        return make_plan(self.workloads, self.engines, counts, targets, config.filter), []


@contextmanager
def ready_to_run(
    config: RunConfig, watcher: Watcher, hosts: Hosts, known: Container[str] | None = None
) -> Iterator[Ready]:
    """`known` are the only devices to go to: a resumed run's are those that answered when it began. Closes `hosts`."""
    try:
        asked = Asked.of(config, watcher)
        specs = [spec for spec in hosts.specs(config) if known is None or spec.name in known]
        targets, unreached = hosts.reach(specs, asked.useful, watcher)
        if not targets:
            raise CannotMeasure(" ".join(map(str, unreached.values())))
        plan, comparisons = asked.plan(targets)
        for reason in dict.fromkeys(skip.reason for skip in refused_models(plan.skips, plan.records)):
            if plan.records:
                watcher.note(f"not measured: {reason}.")
        yield Ready(plan, comparisons, targets, unreached, hosts)
    finally:
        hosts.close()
