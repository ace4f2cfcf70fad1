"""The gate of a case: its output against the reference's, then its calibration, in one process."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bnnbench.devices.errors import CommandFailed
from bnnbench.kernels.engines.client import EngineClient, Hello, run_length_limit_ns
from bnnbench.kernels.errors import EngineError
from bnnbench.results.records import Gate, Status

from .context import now
from .plan import Case
from .sampling import Calibration, calibrate
from .workbench import Workbench, load_keys

_DEADLINE_S = 900.0
_FIRST_RUN_NS = 10_000_000_000


@dataclass
class _Finding:
    status: Status = "ok"
    reason: str | None = None
    isa: str | None = None
    output_sha256: str | None = None
    difference: float | None = None
    first_ns: float = 0.0
    calibration: Calibration | None = None
    run_ns: int | None = None


def verify(bench: Workbench, case: Case) -> Gate:
    """Raises DeviceError when the device is lost, Interrupted; an engine that fails is a gate that says so."""
    started, wall, finding = now(), time.monotonic_ns(), _Finding()
    try:
        with bench.engine(case.record.engine, case.record.threads, _DEADLINE_S) as (client, hello):
            finding.isa = hello.isa
            finding.reason = _refusal(case, hello)
            if finding.reason:
                finding.status = "skipped"
            else:
                _check_output(bench, case, client, finding)
            if finding.status == "ok":
                with bench.timed():
                    finding.calibration, finding.run_ns = calibrate(
                        client, "case", case.record.threads, bench.context.min_sample_ns, finding.first_ns
                    )
    except (EngineError, CommandFailed) as error:
        finding.status, finding.reason = "failed", str(error)
    calibration = finding.calibration
    return Gate(
        case_id=case.record.id,
        status=finding.status,
        reason=finding.reason,
        engine_build=case.record.engine_build,
        isa=finding.isa,
        output_sha256=finding.output_sha256,
        iterations=calibration.iterations if calibration else None,
        warmup_ns=calibration.warmup_ns if calibration else None,
        settled=calibration.settled if calibration else None,
        block_ns=calibration.block_ns if calibration else None,
        max_abs_difference=finding.difference,
        run_request_ns=finding.run_ns,
        wall_ns=time.monotonic_ns() - wall,
        started=started,
    )


def _refusal(case: Case, hello: Hello) -> str | None:
    op, threads = case.workload.spec.op, case.record.threads
    if hello.ops is not None and op not in hello.ops:
        return f"the engine says that it has no op {op}"
    if hello.max_threads is not None and threads > hello.max_threads:
        return f"the engine says that it runs {hello.max_threads} threads at most, not {threads}"
    return None


def _check_output(bench: Workbench, case: Case, client: EngineClient, finding: _Finding) -> None:
    client.load("case", load_keys(case))
    limit_ns = run_length_limit_ns(0, 1, _FIRST_RUN_NS)
    ran = client.run("case", threads=case.record.threads, samples=1, iterations=1, limit_ns=limit_ns)
    finding.first_ns = ran.samples_ns[0]
    finding.output_sha256 = client.output("case").sha256
    if finding.output_sha256 == case.workload.expected_sha256:
        finding.difference = 0.0
        return
    path = f"{bench.scratch}/{case.record.id}.out"
    client.output("case", path)
    finding.difference, wrong = case.workload.difference(bench.transport.pull(bench.folder.absolute(path)))
    if wrong:
        finding.status, finding.reason = "wrong_output", wrong
