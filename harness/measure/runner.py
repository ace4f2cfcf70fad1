"""How cases are measured by the protocol that their engine speaks: one runner for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bnnbench.results.records import Gate, Invocation

from ..bench.workbench import Workbench
from ..plan.cases import Case
from .invoke import Place, invoke
from .summary_program import invoke_summarized
from .verify import verify
from .written_output import gate_written


class Runner(Protocol):
    """`evaluates`: whether it can give an engine labelled images."""

    evaluates: bool

    def gate(self, bench: Workbench, case: Case) -> Gate:
        """What is known of a case before it is timed. Raises DeviceError, Interrupted."""
        ...

    def invoke(self, bench: Workbench, case: Case, place: Place, gate: Gate) -> Invocation:
        """One fresh process. Raises DeviceError, Interrupted."""
        ...


class SpokenRunner:
    """Of engines that answer requests (docs/protocol.md)."""

    evaluates = True

    def gate(self, bench: Workbench, case: Case) -> Gate:
        """The output against the reference's."""
        return verify(bench, case)

    def invoke(self, bench: Workbench, case: Case, place: Place, gate: Gate) -> Invocation:
        """As the gate was calibrated."""
        return invoke(bench, case, place, gate)


class SummaryRunner:
    """Of programs that print a summary and end."""

    evaluates = False

    def gate(self, bench: Workbench, case: Case) -> Gate:
        """The outputs that it writes against the reference's; `unverified` where it writes none."""
        return gate_written(bench, case)

    def invoke(self, bench: Workbench, case: Case, place: Place, gate: Gate) -> Invocation:
        """One run of the program."""
        return invoke_summarized(bench, case, place, gate)


RUNNERS: Mapping[int | None, Runner] = {1: SpokenRunner(), None: SummaryRunner()}
"""By the version of the protocol."""


def runner_of(case: Case) -> Runner:
    """That of the case's engine."""
    return RUNNERS[case.engine.protocol]
