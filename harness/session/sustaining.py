"""Runs one device's cases on and on: gates, then one process for each case in random order, journaled by windows."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from statistics import median

from msgspec import structs

from bnnbench.devices.errors import CommandFailed
from bnnbench.kernels.engines.claims import unexplained
from bnnbench.kernels.engines.client import EngineClient, run_length_limit_ns
from bnnbench.kernels.engines.replies import Ran
from bnnbench.kernels.errors import EngineError
from bnnbench.results.quantity import duration
from bnnbench.results.records import DeviceEvent, Gate, Status, Sustain, Window
from bnnbench.results.statistics.quantile import quantile
from bnnbench.results.store.stored_run import StoredRun

from ..bench.surroundings import Watched
from ..bench.workbench import Workbench, load
from ..clock import now
from ..plan.cases import Case, schedule
from .base import DeviceSession

RESTARTED = "restarted"
"""The kind of event of a case that was cut off: what was warm has cooled since."""
_SHORTEST_BLOCK_NS = 2e5
"""A sample is one execution, or as many as take so long."""
_MOST_SAMPLES = 50_000
_SLACK_S = 120.0
_UNKNOWN_NS = 1e7
_POLL_S = 0.5


@dataclass
class SustainingSession(DeviceSession):
    """`_done_s` of `_total_s` seconds are over."""

    sustain: Sustain
    _left: list[tuple[int, Case]] = field(default_factory=list, init=False)
    _starts: dict[str, int] = field(default_factory=dict, init=False)
    _done_s: float = field(default=0.0, init=False)
    _total_s: float = field(default=1.0, init=False)

    def begin(self, stored: StoredRun) -> bool:
        """The cases that no start has run to the end of; such a start is not continued, it begins again."""
        whole = {one.case_id for one in stored.windows if one.status == "ok" and one.end_s >= self.sustain.seconds}
        order = schedule(self.cases, 1, self.context.seed, self.name)
        self._left = [(place, case) for place, (case, _) in enumerate(order) if case.record.id not in whole]
        for one in stored.windows:
            self._starts[one.case_id] = max(self._starts.get(one.case_id, 0), int(one.start) + 1)
        self._total_s = self.sustain.seconds * max(1, len(self.cases))
        self._done_s = self.sustain.seconds * (len(self.cases) - len(self._left))
        return bool(self._left)

    def measure(self, bench: Workbench) -> None:
        """Raises DeviceError, Interrupted, StoreError."""
        for case in self.cases:
            self.gate(bench, case)
        is_first = True
        for place, case in self._left:
            gate = self.gates[case.record.id]
            if gate.status not in ("ok", "unverified"):
                continue
            if refusal := self._refusal(case):
                self.context.append(self._window(case, place, 0, "failed", refusal))
            else:
                self._rest(0.0 if is_first else self.sustain.pause_s)
                is_first = False
                bench.surroundings.cool_down()
                self._hold(bench, case, place, gate)
        self._done_s = self._total_s

    def progress(self) -> tuple[int, int]:
        """Seconds."""
        return int(min(self._done_s, self._total_s)), math.ceil(self._total_s)

    def _refusal(self, case: Case) -> str | None:
        if case.engine.protocol is None:
            return f"the engine '{case.engine.name}' has no protocol, so it cannot be kept running"
        if self.sustain.fps is not None and "period_ns" not in case.engine.run_keys:
            return f"the engine '{case.engine.name}' cannot start executions at a stated rate; leave out --fps"
        if self.target.meter.is_exact or self.target.facts.emulated:
            return "an emulated device has no times"
        return None

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.show(f"pause before the next case: {left:.0f} s")
            time.sleep(min(left, _POLL_S))

    def _hold(self, bench: Workbench, case: Case, place: int, gate: Gate) -> None:
        """One process until the time is over. Raises DeviceError, Interrupted."""
        start = self._starts.get(case.record.id, 0)
        if start:
            what = f"{case.workload.name} on {case.engine.name} was cut off: it runs again from the start (number "
            message = f"{what}{start + 1}), because a pause lets the device cool"
            self.context.append(DeviceEvent(device=self.name, kind=RESTARTED, message=message, started=now()))
            self.context.watcher.note(f"{self.name}: {message}")
        threads, index, done_s = case.record.threads, 0, self._done_s
        try:
            with (
                bench.surroundings.watching(bench.lease.threads_on(threads)) as watched,
                bench.lease.engine(case.engine.name, threads, self.sustain.seconds * 1.5 + _SLACK_S) as (client, _),
            ):
                load(client, case, gate.input_index)
                self.show(f"sustaining {case.workload.name} on {case.engine.name}")
                execution_ns = (gate.block_ns or _UNKNOWN_NS) / (gate.iterations or 1)
                begun, end_s = time.monotonic(), 0.0
                while end_s < self.sustain.seconds:
                    begin_s, moment = time.monotonic() - begun, now()
                    ran, iterations = self._run(bench, case, client, execution_ns)
                    end_s, waited_ns = time.monotonic() - begun, client.waited_ns
                    wrong = client.output("case").sha256 != gate.output_sha256
                    execution_ns = median(ran.samples_ns)
                    odd = None if self.sustain.fps else unexplained(ran, iterations, 0, waited_ns, client.round_trip_ns)
                    status: Status = "wrong_output" if wrong else "unstable" if odd else "ok"
                    reason = "the output differs from the verified one" if wrong else odd
                    empty = self._window(case, place, index, status, reason)
                    empty = structs.replace(empty, begin_s=begin_s, end_s=end_s, started=moment)
                    one = self.context.append(self._filled(empty, ran, iterations, watched))
                    if wrong:
                        return
                    index += 1
                    self._done_s = done_s + end_s
                    self.show(_words(case, one))
        except (EngineError, CommandFailed) as error:
            self.context.stop.check()
            self.context.append(self._window(case, place, index, "failed", str(error)))
        self._done_s = done_s + self.sustain.seconds

    def _run(self, bench: Workbench, case: Case, client: EngineClient, execution_ns: float) -> tuple[Ran, int]:
        """About a window. Raises EngineError."""
        fps, window_ns = self.sustain.fps, self.sustain.window_s * 1e9
        iterations = 1 if fps else max(1, math.ceil(_SHORTEST_BLOCK_NS / execution_ns))
        period_ns = round(1e9 / fps) if fps else 0
        sample_ns = max(iterations * execution_ns, period_ns)
        samples = max(1, min(_MOST_SAMPLES, round(window_ns / sample_ns)))
        known = case.engine.run_keys
        with bench.timed():
            ran = client.run(
                "case",
                threads=case.record.threads,
                samples=samples,
                iterations=iterations,
                limit_ns=run_length_limit_ns(0, samples + 1, sample_ns),
                watch=bench.surroundings.watched if "watch" in known else (),
                period_ns=period_ns,
            )
        return ran, iterations

    def _filled(self, empty: Window, ran: Ran, iterations: int, watched: Watched) -> Window:
        middle, fps = median(ran.samples_ns), self.sustain.fps
        ordered = sorted(ran.samples_ns)
        return structs.replace(
            empty,
            samples=len(ordered),
            iterations=iterations,
            median_ns=middle,
            quantiles_ns=[quantile(ordered, share / 100) for share in range(101)],
            period_ns=round(1e9 / fps) if fps else None,
            missed=ran.missed,
            clock_hz=median(ran.clock_hz) if ran.clock_hz else None,
            watch=dict(ran.watch) if ran.watch else None,
            telemetry=watched.telemetry(ran, middle),
        )

    def _window(self, case: Case, place: int, index: int, status: Status, reason: str | None) -> Window:
        id = case.record.id
        start = self._starts.get(id, 0)
        return Window(case_id=id, start=start, index=index, order=place, status=status, reason=reason, started=now())


def _words(case: Case, window: Window) -> str:
    """`sustaining NAME on native: 12.3 ms, 61 °C`."""
    heat = window.telemetry.get("temperature_celsius")
    warm = f", {heat[-1]:.0f} °C" if isinstance(heat, list) and heat else ""
    return f"sustaining {case.workload.name} on {case.engine.name}: {duration(window.median_ns or 0.0)}{warm}"
