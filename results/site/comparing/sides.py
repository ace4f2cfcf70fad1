"""The two sides of a compare page, and the cases of each as they were measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bnnbench.results.case_rows import case_rows
from bnnbench.results.printable import shorten
from bnnbench.results.records import CaseRecord, Invocation
from bnnbench.results.store.stored_run import StoredRun

_NAME = 40


@dataclass(frozen=True, slots=True)
class SideName:
    """What a side is: a run, and what of it is compared. `device` and `engine` are None for all of the run."""

    run_id: str
    device: str | None = None
    engine: str | None = None

    @property
    def text(self) -> str:
        """`20260131-142501, numba on pi4`, in a line."""
        where = [] if self.device is None else [f"on {shorten(self.device, _NAME)}"]
        what = [] if self.engine is None else [shorten(self.engine, _NAME)]
        return ", ".join([self.run_id, *([" ".join([*what, *where])] if what or where else [])])


@dataclass(frozen=True, slots=True)
class PairName:
    """The two sides of a page. Where they name engines or devices, cases are joined whatever their engine or device."""

    base: SideName
    head: SideName

    @property
    def across_engines(self) -> bool:
        """Whether two engines are compared."""
        return self.base.engine != self.head.engine

    @property
    def across_devices(self) -> bool:
        """Whether two devices are compared."""
        return self.base.device != self.head.device


@dataclass(frozen=True, slots=True)
class Measured:
    """A case of a side: its row of `bnnbench.results.load` as plain values (None where missing), its invocations, and
    its record, which is None of a case that was skipped."""

    row: Mapping[str, Any]
    record: CaseRecord | None = None
    invocations: Sequence[Invocation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Side:
    """What is compared, its run, and its cases in the order of the plan, without those that were skipped."""

    name: SideName
    run: StoredRun
    cases: Sequence[Measured]


def side_of(run: StoredRun, name: SideName) -> Side:
    """A side of a run that was read."""
    invocations = run.invocations_by_case
    found = [
        Measured(row, case, invocations.get(case.id, []))
        for case, row in zip(run.record.cases, case_rows(run), strict=False)  # rows of skips come last
    ]
    cases = [
        one
        for one in found
        if name.device in (None, one.row["device"])
        and name.engine in (None, one.row["engine"])
        and one.row["status"] != "skipped"
    ]
    return Side(name, run, cases)
