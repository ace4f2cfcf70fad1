"""Measures one device's cases: roofs, gates, invocations in random order, accuracies, roofs again."""

from __future__ import annotations

from dataclasses import dataclass, field

from bnnbench.devices.errors import CommandFailed
from bnnbench.kernels.errors import EngineError
from bnnbench.results.quantity import roughly
from bnnbench.results.records import DeviceEvent, Peak
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun

from ..bench.launcher import LAUNCHER
from ..bench.workbench import Workbench
from ..clock import now
from ..measure.invoke import Place
from ..measure.runner import runner_of
from ..plan.cases import Case, schedule
from .base import DeviceSession
from .expected import pasts, timing_s

_PEAK_NS = 500_000_000
_PEAK_DEADLINE_S = 60.0


@dataclass
class TimingSession(DeviceSession):
    """`_done` of `_total` steps are over: gates, invocations and accuracies."""

    _left: list[tuple[Case, Place]] = field(default_factory=list, init=False)
    _has_roofs: bool = field(default=False, init=False)
    _done: int = field(default=0, init=False)
    _total: int = field(default=1, init=False)

    def begin(self, stored: StoredRun) -> bool:
        """The invocations that are not there yet."""
        finished = {
            (invocation.case_id, invocation.index) for invocation in stored.invocations if invocation.status != "failed"
        }
        meter, context = self.target.meter, self.context
        order = schedule(self.cases, meter.invocations(context.invocations), context.seed, self.name)
        self._left = [
            (case, Place(index, place))
            for place, (case, index) in enumerate(order)
            if (case.record.id, index) not in finished
        ]
        self._has_roofs = bool(order) and meter.has_roofs
        with_images = [case for case in self.cases if self.has_accuracy(case)]
        unverified = sum(case.record.id not in self.gates for case in self.cases)
        unevaluated = sum(case.record.id not in self.accuracies for case in with_images)
        self._total = len(self.cases) + len(order) + len(with_images)
        self._done = self._total - unverified - len(self._left) - unevaluated
        return bool(self.cases)

    def measure(self, bench: Workbench) -> None:
        """Raises DeviceError, Interrupted, StoreError."""
        self._tell_how_long()
        if self._has_roofs:
            self._measure_peak(bench)
        for case in self.cases:
            is_new = case.record.id not in self.gates
            self.gate(bench, case)
            self._done += is_new
        for case, place in self._left:
            gate = self.gates[case.record.id]
            if gate.status in ("ok", "unverified"):
                self.show(f"{self.target.meter.verb} {case.workload.name} on {case.record.engine}")
                self.context.append(runner_of(case).invoke(bench, case, place, gate))
            self._done += 1
        for case in self.cases:
            if self.has_accuracy(case):
                is_new = case.record.id not in self.accuracies
                self.evaluate(bench, case)
                self._done += is_new
        if self._has_roofs:
            self._measure_peak(bench)  # the highest counts: a busy moment must not lower the roof

    def _tell_how_long(self) -> None:
        """By earlier runs of all its cases, where there are any and nothing is measured yet."""
        if self._done or not self.target.meter.has_roofs:
            return
        known = pasts(Store(self.context.store), self.cases)
        if (seconds := timing_s(known, self.cases, self.context.invocations)) is not None:
            self.context.watcher.note(f"{self.name}: about {roughly(seconds)}, by earlier runs of these cases")

    def progress(self) -> tuple[int, int]:
        """Gates, invocations and accuracies."""
        return self._done, self._total

    def _measure_peak(self, bench: Workbench) -> None:
        self.show("measuring the popcount roof")
        started = now()
        try:
            with bench.lease.engine(LAUNCHER, 1, _PEAK_DEADLINE_S) as (client, hello), bench.timed():
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
                int8_gops=peaks.int8_gops,
                read_gb_s=dict(peaks.read_gb_s) if peaks.read_gb_s else None,
                clock_hz=peaks.clock_hz,
                started=started,
            )
        )
