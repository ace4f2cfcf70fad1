"""What a run begins with: connected devices, and what is planned for them."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from bnnbench.results.records import ComparisonRecord

from ..bench.context import Watcher
from ..bench.launcher import LAUNCHER
from ..bench.lease import require_free
from ..bench.reach import Reached, reach_all
from ..bench.trouble import concerns_all, sentence
from ..errors import CannotMeasure
from ..plan.cases import MeasurementPlan, make_plan, refused_models
from ..plan.comparisons import make_comparison_plan
from ..plan.config import RunConfig
from ..workload.of_suite import workloads
from ..workload.opened_images import OpenedImages


@dataclass(frozen=True, slots=True)
class Ready:
    """Connected devices, what is planned for them, and why the others did not answer, by name."""

    plan: MeasurementPlan
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
    images = OpenedImages(partial(watcher.phase, "reading"))
    cases = [] if config.compare else workloads(config.suite, images)
    specs = [spec for spec in config.specs() if known is None or spec.name in known]
    # What runs none of the workloads is listed as skipped, and neither built nor pushed for that.
    useful = [
        engine
        for engine in engines
        if config.compare or any(case.payload(engine.accepts) is not None for case in cases)
    ]
    reached, unreached = reach_all(specs, useful, watcher.note, even_unfit=config.health)
    try:
        # Now, not after the reference's work, which may take minutes.
        busy = _unusable(reached)
        unreached |= busy
        reached = [item for item in reached if item.target.spec.name not in busy]
        if not reached:
            raise CannotMeasure(" ".join(map(str, unreached.values())))
        targets = [item.target for item in reached]
        counts = config.thread_counts()
        comparisons: list[ComparisonRecord] = []
        if config.compare:
            plan, comparisons = make_comparison_plan(
                config.compare, config.suite, engines, counts, targets, config.filter, images
            )
        else:
            plan = make_plan(cases, engines, counts, targets, config.filter)
        for reason in dict.fromkeys(skip.reason for skip in refused_models(plan.skips, plan.records)):
            if plan.records:
                watcher.note(f"not measured: {reason}.")
        yield Ready(plan, comparisons, reached, unreached)
    finally:
        for entry in reached:
            entry.transport.close()


def _unusable(reached: Sequence[Reached]) -> dict[str, Exception]:
    """Why devices cannot be had, by name: most often, another benchmark runs there. Their connections are closed."""
    reasons: dict[str, Exception] = {}
    for item in reached:
        if LAUNCHER not in item.target.builds:
            continue  # no engine runs there, and its cases are skipped
        try:
            require_free(item.target, item.transport, "bnnbench run")
        except Exception as error:
            if concerns_all(error):
                raise
            reasons[item.target.spec.name] = error
            item.transport.close()
    return reasons
