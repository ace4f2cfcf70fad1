"""The cases of a run that have times, with the invocations behind them: what every export is made from."""

from collections.abc import Iterator
from dataclasses import dataclass

from bnnbench.results.case_result import CaseResult, case_results, median_ns
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import Invocation
from bnnbench.results.store.stored_run import StoredRun


@dataclass(frozen=True, slots=True)
class Timed:
    """A case and its invocations, in their order."""

    result: CaseResult
    invocations: list[Invocation]

    @property
    def name(self) -> str:
        """Unique within the run: workload, engine, device, threads."""
        case = self.result.case
        series = f"{case.engine} {case.variant}" if case.variant else case.engine
        return f"{case.workload}/{series}/{case.device}/threads:{case.threads}"

    @property
    def medians_ns(self) -> list[float]:
        """A figure for each invocation."""
        return [median for invocation in self.invocations if (median := median_ns(invocation)) is not None]

    @property
    def counts(self) -> list[float]:
        """The instructions of each invocation of a case on an emulated CPU."""
        read = METRICS["instructions"].of_invocation
        return [count for item in self.invocations if read is not None and (count := read(item)) is not None]


def counted_cases(run: StoredRun) -> Iterator[Timed]:
    """Those of an emulated device whose instructions were counted."""
    for result in case_results(run):
        mine = run.invocations_by_case.get(result.case.id, [])
        if result.latency is None and result.figure(METRICS["instructions"]) is not None:
            yield Timed(result, mine)


def timed_cases(run: StoredRun) -> Iterator[Timed]:
    """Those of `load` that have a latency; an emulated device's have none."""
    by_case = run.invocations_by_case
    for result in case_results(run):
        if result.latency is not None:
            mine = [item for item in by_case.get(result.case.id, []) if median_ns(item) is not None]
            yield Timed(result, mine)
