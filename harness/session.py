"""One device: lock -> push -> peak -> verify -> invocations -> clean up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from bnnbench.devices.errors import CommandFailed, DeviceError
from bnnbench.devices.transport.protocol import Transport
from bnnbench.devices.workfolder import WorkFolder
from bnnbench.kernels.engines.client import EngineClient, Hello, run_length_limit_ns
from bnnbench.kernels.errors import EngineError
from bnnbench.results.records import DeviceEvent, Gate, Invocation, Peak, Status

from .context import RunContext, now
from .engine_process import EngineProcess
from .machine_lock import machine_lock
from .plan import Case, Target, schedule
from .sampling import Calibration, calibrate

CACHE_LIMIT_BYTES = 2 << 30
"""Blobs beyond this are removed from a device, least recently used first."""
_PEAK_NS = 500_000_000
_DEADLINE_SLACK_S = 60.0
_VERIFY_DEADLINE_S = 900.0
_FIRST_RUN_NS = 10_000_000_000
_LAUNCHER = "native"


@dataclass
class _Outcome:
    status: Status = "ok"
    reason: str | None = None
    hello: Hello | None = None
    output_sha256: str | None = None
    difference: float | None = None
    calibration: Calibration | None = None
    run_ns: int | None = None
    first_ns: float = 0.0


@dataclass
class Session:
    """Measures a device's cases over one connection. `run` raises DeviceError when the device is lost."""

    target: Target
    transport: Transport
    cases: tuple[Case, ...]
    context: RunContext
    builds_ns: int
    push_ns: int = 0
    _paths: dict[str, list[str]] = field(default_factory=dict)
    _launcher: str = ""
    _steps: int = 0
    _total: int = 1

    @property
    def name(self) -> str:
        return self.target.spec.name

    def run(self) -> None:
        """All that is not in the journal yet. Raises DeviceError, Interrupted, StoreError."""
        stored = self.context.writer.stored
        # What failed before is tried again; what was measured, never.
        gates = {id: gate for id, gate in stored.gates.items() if gate.status != "failed"}
        finished = {(one.case_id, one.index) for one in stored.invocations if one.status != "failed"}
        folder = WorkFolder.open(self.transport, self.target.spec)
        todo = schedule(self.cases, self.context.invocations, self.context.seed, self.name)
        left = [
            (order, case, index) for order, (case, index) in enumerate(todo) if (case.record.id, index) not in finished
        ]
        self._total = len(self.cases) + len(todo)
        self._steps = len(self.cases) - sum(case.record.id not in gates for case in self.cases) + len(todo) - len(left)
        with self._prepared(folder) as scratch:
            self._measure_peak(folder)
            for case in self.cases:
                if case.record.id not in gates:
                    gates[case.record.id] = self._verify(folder, scratch, case)
            for order, case, index in left:
                gate = gates[case.record.id]
                if gate.status == "ok":
                    self._invoke(folder, case, index, order, gate)
                else:
                    self._step(None)
            self._measure_peak(folder)  # the highest counts: a busy moment must not lower the roof

    @contextmanager
    def _prepared(self, folder: WorkFolder) -> Iterator[str]:
        """Engines and data on the device, its lock held, a folder for this run; all given back."""
        started = time.monotonic_ns()
        self._show("pushing engines and data")
        self._launcher = folder.blob(self.target.builds[_LAUNCHER].build.path, executable=True)
        run_id = self.context.writer.record.run_id
        lock = machine_lock(self.transport, self._launcher, folder.path, f"bnnbench run {run_id}")
        lock.acquire()
        try:
            self._push(folder)
            scratch = folder.run_folder(run_id)
            self.push_ns += time.monotonic_ns() - started
            yield scratch
        finally:
            with suppress(DeviceError):  # a lost device: the first failure is the one to report
                folder.remove_run_folder(run_id)
            lock.release()

    def _push(self, folder: WorkFolder) -> None:
        for name, prepared in self.target.builds.items():
            self._paths[name] = [folder.blob(file.path, executable=file.executable) for file in prepared.files]
        data = {case.workload.data_sha256: case.workload.data for case in self.cases}
        folder.blobs(list(data.values()))
        engines = [path for paths in self._paths.values() for path in paths]
        folder.trim(CACHE_LIMIT_BYTES, keep={*data, *engines})

    def _measure_peak(self, folder: WorkFolder) -> None:
        if not self.cases:
            return
        self._show("measuring the popcount roof")
        started = now()
        try:
            with (
                self._engine(folder, _LAUNCHER, threads=1, deadline_s=60) as (client, hello),
                self._timed_here(),
            ):
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

    def _verify(self, folder: WorkFolder, scratch: str, case: Case) -> Gate:
        """Compares the output with the reference's, then calibrates; journals the gate."""
        self._step(f"verifying {case.workload.name} on {case.record.engine}")
        started, wall, outcome = now(), time.monotonic_ns(), _Outcome()
        try:
            with self._engine(folder, case.record.engine, case.record.threads, _VERIFY_DEADLINE_S) as (client, hello):
                outcome.hello = hello
                self._check_output(folder, scratch, case, client, outcome)
                if outcome.status == "ok":
                    with self._timed_here():
                        outcome.calibration, outcome.run_ns = calibrate(
                            client, "case", case.record.threads, self.context.min_sample_ns, outcome.first_ns
                        )
        except (EngineError, CommandFailed) as error:
            outcome.status, outcome.reason = "failed", str(error)
        calibration = outcome.calibration
        gate = Gate(
            case_id=case.record.id,
            status=outcome.status,
            reason=outcome.reason,
            engine_build=case.record.engine_build,
            isa=outcome.hello.isa if outcome.hello else None,
            output_sha256=outcome.output_sha256,
            iterations=calibration.iterations if calibration else None,
            warmup_ns=calibration.warmup_ns if calibration else None,
            settled=calibration.settled if calibration else None,
            block_ns=calibration.block_ns if calibration else None,
            max_abs_difference=outcome.difference,
            run_request_ns=outcome.run_ns,
            wall_ns=time.monotonic_ns() - wall,
            started=started,
        )
        self.context.append(gate)
        return gate

    def _check_output(
        self, folder: WorkFolder, scratch: str, case: Case, client: EngineClient, outcome: _Outcome
    ) -> None:
        hello, op, threads = outcome.hello, case.workload.spec.op, case.record.threads
        assert hello is not None
        if hello.ops is not None and op not in hello.ops:
            outcome.status, outcome.reason = "skipped", f"the engine says that it has no op {op}"
            return
        if hello.max_threads is not None and threads > hello.max_threads:
            outcome.status = "skipped"
            outcome.reason = f"the engine says that it runs {hello.max_threads} threads at most, not {threads}"
            return
        client.load("case", self._load_keys(case))
        limit_ns = run_length_limit_ns(0, 1, _FIRST_RUN_NS)
        outcome.first_ns = client.run("case", threads=threads, samples=1, iterations=1, limit_ns=limit_ns).samples_ns[0]
        reply = client.output("case")
        outcome.output_sha256 = reply.sha256
        if reply.sha256 == case.workload.expected_sha256:
            outcome.difference = 0.0
            return
        path = f"{scratch}/{case.record.id}.out"
        client.output("case", path)
        outcome.difference, wrong = case.workload.difference(self.transport.pull(folder.absolute(path)))
        if wrong:
            outcome.status, outcome.reason = "wrong_output", wrong

    def _invoke(self, folder: WorkFolder, case: Case, index: int, order: int, gate: Gate) -> None:
        """One fresh process: load, warm up, sample, and the same output as at the gate; journals it."""
        self._step(f"timing {case.workload.name} on {case.record.engine}")
        started, wall, threads = now(), time.monotonic_ns(), case.record.threads
        iterations, warmup_ns = gate.iterations or 1, int(gate.warmup_ns or 0)
        limit_ns = run_length_limit_ns(warmup_ns, self.context.samples + 1, gate.block_ns or _FIRST_RUN_NS)
        status: Status = "ok"
        reason = hello = loaded = ran = output = None
        run_ns = 0
        try:
            deadline_s = limit_ns / 1e9 + _DEADLINE_SLACK_S
            with self._engine(folder, case.record.engine, threads, deadline_s) as (client, hello):
                loaded = client.load("case", self._load_keys(case))
                with self._timed_here():
                    before = time.monotonic_ns()
                    ran = client.run(
                        "case",
                        threads=threads,
                        samples=self.context.samples,
                        warmup_ns=warmup_ns,
                        iterations=iterations,
                        limit_ns=limit_ns,
                    )
                    run_ns = time.monotonic_ns() - before
                output = client.output("case").sha256
        except (EngineError, CommandFailed) as error:
            status, reason, ran = "failed", str(error), None
        if ran and output != gate.output_sha256:
            status, reason, ran = "wrong_output", "the output is not the one that was verified", None
        self.context.append(
            Invocation(
                case_id=case.record.id,
                index=index,
                order=order,
                status=status,
                reason=reason,
                started=started,
                isa=hello.isa if hello else None,
                engine_build=case.record.engine_build,
                iterations=iterations,
                first_ns=ran.first_ns if ran else None,
                load_ns=loaded.load_ns if loaded else None,
                warmup_samples_ns=ran.warmup_samples_ns if ran else [],
                samples_ns=ran.samples_ns if ran else [],
                clock_hz=ran.clock_hz if ran else [],
                start_ns=ran.start_ns if ran else None,
                end_ns=ran.end_ns if ran else None,
                cpus_used=ran.cpus_used if ran else [],
                counters=dict(ran.counters) if ran and ran.counters else None,
                counters_error=ran.counters_error if ran else None,
                watch=dict(ran.watch) if ran and ran.watch else None,
                peak_rss_bytes=ran.peak_rss_bytes if ran else None,
                arena_bytes=loaded.arena_bytes if loaded else None,
                output_sha256=output,
                run_request_ns=run_ns if ran else None,
                wall_ns=time.monotonic_ns() - wall,
            )
        )

    @contextmanager
    def _engine(
        self, folder: WorkFolder, name: str, threads: int, deadline_s: float
    ) -> Iterator[tuple[EngineClient, Hello]]:
        """A started engine that has said hello; what it breaks comes out with how it ended."""
        prepared = self.target.builds[name]
        engine = next((case.engine for case in self.cases if case.engine.name == name), None)
        paths = self._paths[name]
        command = engine.command(paths, self.target.isas.get(name)) if engine else [f"./{paths[0]}"]
        cores = self.target.cores
        process = EngineProcess(
            self.transport,
            folder.path,
            self._launcher,
            command,
            name=prepared.build.engine,
            cpus=cores[-threads:],  # the last ones: the first serves interrupts on most boards
            deadline_s=deadline_s,
        )
        with process, self.context.endable(process):
            try:
                yield process.client, process.client.hello()
            except (EngineError, EOFError, OSError, ValueError, DeviceError) as error:
                self.context.check()  # a stop ends the engine, which is no failure of it
                if isinstance(error, DeviceError) and not isinstance(error, CommandFailed):
                    raise
                raise EngineError(f"{error} {process.last_words()}".strip()) from error

    @contextmanager
    def _timed_here(self) -> Iterator[None]:
        """Keeps this program still while a block is timed on the machine it runs on."""
        if self.target.spec.transport == "local":
            with self.context.quiet:
                yield
        else:
            yield

    def _load_keys(self, case: Case) -> dict[str, str]:
        return {**case.workload.spec.protocol_items(), "data": f"blobs/{case.workload.data_sha256}"}

    def _show(self, text: str) -> None:
        self.context.check()
        self.context.show(self.name, text, self._steps, self._total)

    def _step(self, text: str | None) -> None:
        if text is not None:
            self._show(text)
        self._steps += 1
