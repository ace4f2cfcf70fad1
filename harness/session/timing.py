"""One device: lock -> push -> peak -> verify -> invocations -> clean up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bnnbench.devices.errors import CommandFailed
from bnnbench.devices.transport.protocol import Transport
from bnnbench.devices.workfolder import WorkFolder
from bnnbench.kernels.engines.tflite_benchmark import SummaryEngine
from bnnbench.kernels.errors import EngineError
from bnnbench.results.records import DeviceEvent, Gate, Invocation, Peak

from ..bench.context import RunContext
from ..bench.workbench import LAUNCHER, Workbench
from ..clock import now
from ..measure.evaluate import evaluate, has_images
from ..measure.invoke import invoke
from ..measure.summarized import gate_unseen, invoke_summarized
from ..measure.verify import verify
from ..plan.cases import Case, schedule
from ..plan.target import Target

_PEAK_NS = 500_000_000
_PEAK_DEADLINE_S = 60.0


@dataclass
class Session:
    """Measures a device's cases over one connection."""

    target: Target
    transport: Transport
    cases: tuple[Case, ...]
    context: RunContext
    builds_ns: int
    push_ns: int = 0
    _done: int = 0
    _total: int = 1

    @property
    def name(self) -> str:
        return self.target.spec.name

    def run(self) -> None:
        """All that is not in the journal yet. Raises DeviceError, Interrupted, StoreError."""
        if not self.cases:
            return
        stored = self.context.writer.stored
        # What failed before is tried again; what was measured, never.
        gates = {id: gate for id, gate in stored.gates.items() if gate.status != "failed"}
        finished = {(one.case_id, one.index) for one in stored.invocations if one.status != "failed"}
        unverified = [case for case in self.cases if case.record.id not in gates]
        invocations = min(1, self.context.invocations) if self.target.counts else self.context.invocations
        order = schedule(self.cases, invocations, self.context.seed, self.name)
        left = [
            (place, case, index) for place, (case, index) in enumerate(order) if (case.record.id, index) not in finished
        ]
        evaluated = {id for id, one in stored.accuracies.items() if one.status != "failed"}
        with_images = [case for case in self.cases if has_images(case) and not isinstance(case.engine, SummaryEngine)]
        unevaluated = [case for case in with_images if case.record.id not in evaluated]
        self._total = len(self.cases) + len(order) + len(with_images)
        self._done = self._total - len(unverified) - len(left) - len(unevaluated)
        self._show("pushing engines and data")
        bench = Workbench(self.target, self.transport, WorkFolder.open(self.transport, self.target.spec), self.context)
        with bench.prepared(self.cases):
            self.push_ns = bench.push_ns
            if order and not self.target.counts:
                self._measure_peak(bench)
            for case in unverified:
                self._show(f"verifying {case.workload.name} on {case.record.engine}")
                gates[case.record.id] = self.context.append(_gate(bench, case))
                self._done += 1
            for place, case, index in left:
                gate = gates[case.record.id]
                if gate.status in ("ok", "unverified"):
                    self._show(
                        f"{'counting' if self.target.counts else 'timing'} {case.workload.name} on {case.record.engine}"
                    )
                    self.context.append(_invocation(bench, case, index, place, gate))
                self._done += 1
            for case in unevaluated:
                if gates[case.record.id].status == "ok":
                    self.context.append(evaluate(bench, case, self._shown_images(case)))
                self._done += 1
            if order and not self.target.counts:
                self._measure_peak(bench)  # the highest counts: a busy moment must not lower the roof

    def _shown_images(self, case: Case) -> Callable[[int, int], None]:
        return lambda done, of: self._show(
            f"accuracy of {case.workload.name} on {case.record.engine}: {done:,} of {of:,} images"
        )

    def _measure_peak(self, bench: Workbench) -> None:
        self._show("measuring the popcount roof")
        started = now()
        try:
            with bench.engine(LAUNCHER, 1, _PEAK_DEADLINE_S) as (client, hello), bench.timed():
                peaks = client.peak(limit_ns=_PEAK_NS)
        except (EngineError, CommandFailed) as error:
            self.context.append(DeviceEvent(device=self.name, kind="no_peak", message=str(error), started=started))
            return
        self.context.append(
            Peak(
                device=self.name,
                isa=hello.isa,
                threads=1,
                popcount_gops=peaks.popcount_gops,
                fma_gflops=peaks.fma_gflops,
                read_gb_s=dict(peaks.read_gb_s) if peaks.read_gb_s else None,
                clock_hz=peaks.clock_hz,
                started=started,
            )
        )

    def _show(self, text: str) -> None:
        self.context.check()
        self.context.show(self.name, text, self._done, self._total)


def _gate(bench: Workbench, case: Case) -> Gate:
    return gate_unseen(case) if isinstance(case.engine, SummaryEngine) else verify(bench, case)


def _invocation(bench: Workbench, case: Case, index: int, order: int, gate: Gate) -> Invocation:
    if isinstance(case.engine, SummaryEngine):
        return invoke_summarized(bench, case, case.engine, index, order)
    return invoke(bench, case, index, order, gate)
