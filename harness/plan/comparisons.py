"""Which cases are compared with which: the plan of `ab`, `check` and `devices calibrate`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from bnnbench.kernels.engines import Engine
from bnnbench.results.records import ComparisonRecord
from bnnbench.results.statistics.between import Between

from ..suite.tables import ModelTable, Suite
from ..workload.base import Workload
from ..workload.of_suite import workloads
from ..workload.opened_images import OpenedImages
from .cases import Case, MeasurementPlan, make_plan, matching
from .side import Selection
from .target import Target


class CompareConfig(msgspec.Struct, frozen=True):
    """What makes a run a comparison. `series`: by how many ppm the head is slowed down, and how often each case is then
    compared; `budget_s` ends it; `within` keeps the workloads in whose name it is found: those of a baseline. In a step
    of a bisection, `between` says which levels are told apart, or `untimed` that only figures that repeat are compared.

    The rest decides the exit status, also that of a resumed run: how `strict` it is, which share of the cases may be
    unclear at most, and in a check against several baselines the ids of the runs of `earlier` ones and the names of
    `later` ones.
    """

    base: Selection
    head: Selection
    budget_s: float | None = None
    within: str | None = None
    between: Between | None = None
    untimed: bool = False
    series: tuple[tuple[int, int], ...] = ((0, 1),)
    strict: bool = False
    most_unclear: float = 1.0
    earlier: tuple[str, ...] = ()
    later: tuple[str, ...] = ()

    def suite_of(self, suite: Suite, side: Selection) -> Suite:
        """The suite with the side's own models: one in the place of all workloads, or some under their names."""
        if side.model is None:
            tables = [_standing_in(table, side.models) for table in suite.model]
            return msgspec.structs.replace(suite, model=tables)
        like = suite.model[0] if len(suite.model) == 1 else None
        table = ModelTable(file=side.model)
        if like:
            asked = {key: getattr(like, key) for key in ("dataset", "images", "resize", "normalize", "shape")}
            table = msgspec.structs.replace(table, **asked)
        return msgspec.structs.replace(suite, model=[table], kernel=[])


def make_comparison_plan(
    compare: CompareConfig,
    suite: Suite,
    engines: Sequence[Engine],
    threads: Sequence[int],
    targets: Sequence[Target],
    pattern: str | None,
    images: OpenedImages | None = None,
) -> tuple[MeasurementPlan, list[ComparisonRecord]]:
    """Both sides' cases and their pairs. What one side cannot run is skipped."""
    base_engine, head_engine = engines
    by_name = compare.base.model is None and compare.head.model is None
    base, head = compared_workloads(compare, suite, images or OpenedImages())
    plans = [
        make_plan(these, [engine], threads, targets, pattern)
        for these, engine in ((base, base_engine), (head, head_engine))
    ]
    cases: dict[str, tuple[Case, ...]] = {}
    records: list[ComparisonRecord] = []
    for target in targets:
        device = target.spec.name
        sides = [{_key(case, by_name): case for case in plan.cases[device]} for plan in plans]
        both = [key for key in sides[0] if key in sides[1]]
        cases[device] = tuple(case for key in both for case in (sides[0][key], sides[1][key]))
        for key in both:
            records += _comparisons(compare, sides[0][key], sides[1][key])
    return MeasurementPlan(cases, tuple(skip for plan in plans for skip in plan.skips)), records


def compared_workloads(
    compare: CompareConfig, suite: Suite, images: OpenedImages
) -> tuple[list[Workload], list[Workload]]:
    """Those of the base and of the head; one list where they are the same, so that what is right is computed once."""
    suites = [compare.suite_of(suite, side) for side in (compare.base, compare.head)]
    base = matching(workloads(suites[0], images), compare.within)
    return base, base if suites[0] == suites[1] else matching(workloads(suites[1], images), compare.within)


def _standing_in(table: ModelTable, models: Mapping[str, str]) -> ModelTable:
    name = table.name or Path(table.file).stem
    return msgspec.structs.replace(table, name=name, file=models[name]) if name in models else table


def _key(case: Case, by_name: bool) -> tuple[str, int]:
    """Two models are compared whatever they are called."""
    return (case.workload.name if by_name else "", case.record.threads)


def _comparisons(compare: CompareConfig, base: Case, head: Case) -> list[ComparisonRecord]:
    names = dict.fromkeys([base.workload.name, head.workload.name])
    found = []
    for ppm, repeats in compare.series:
        for number in range(repeats):
            identity = f"{base.record.id}\0{head.record.id}\0{ppm}\0{number}"
            found.append(
                ComparisonRecord(
                    id=hashlib.sha256(identity.encode()).hexdigest()[:16],
                    workload=" -> ".join(names),
                    device=base.record.device,
                    threads=base.record.threads,
                    base_case=base.record.id,
                    head_case=head.record.id,
                    base=compare.base.text,
                    head=compare.head.text,
                    extra_ppm=ppm,
                    number=number,
                )
            )
    return found
