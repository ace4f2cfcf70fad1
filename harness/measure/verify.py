"""The gate of a case: its output against the reference's, then its calibration, in one process."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bnnbench.devices.errors import CommandFailed
from bnnbench.kernels.engines.client import EngineClient, run_length_limit_ns
from bnnbench.kernels.engines.replies import Hello
from bnnbench.kernels.errors import EngineError
from bnnbench.results.records import Gate, Status

from ..bench.workbench import Workbench, load, payload_of
from ..clock import now
from ..plan.cases import Case
from ..workload.output_match import Match
from .sign_flips import explain
from .warmup import Warmup, calibrate

_DEADLINE_S = 900.0
_FIRST_RUN_NS = 10_000_000_000


@dataclass
class _Finding:
    status: Status = "ok"
    reason: str | None = None
    isa: str | None = None
    output_sha256: str | None = None
    difference: float | None = None
    input_index: int = 0
    flips: int | None = None
    variant: str | None = None
    confirmed_by: list[str] | None = None
    first_ns: float = 0.0
    calibration: Warmup | None = None
    run_ns: int | None = None


def verify(bench: Workbench, case: Case) -> Gate:
    """Raises DeviceError when the device is lost, Interrupted; an engine that fails is a gate that says so."""
    started, wall, finding = now(), time.monotonic_ns(), _Finding()
    try:
        with bench.lease.engine(case.engine.name, case.record.threads, _DEADLINE_S) as (client, hello):
            finding.isa = hello.isa
            finding.reason = _refusal(case, hello)
            if finding.reason:
                finding.status = "skipped"
            else:
                _check_output(bench, case, client, finding)
            if finding.status == "ok" and bench.context.calibrates and not bench.target.meter.is_exact:
                with bench.timed():
                    finding.calibration, finding.run_ns = calibrate(
                        client,
                        "case",
                        case.record.threads,
                        min_sample_ns=bench.context.min_sample_ns,
                        min_warmup_ns=bench.context.min_warmup_ns,
                        first_ns=finding.first_ns,
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
        input_index=finding.input_index,
        flips=finding.flips,
        rounding=finding.variant,
        confirmed_by=finding.confirmed_by,
        run_request_ns=finding.run_ns,
        wall_ns=time.monotonic_ns() - wall,
        started=started,
    )


def _refusal(case: Case, hello: Hello) -> str | None:
    op, threads = case.workload.op, case.record.threads
    if hello.ops is not None and op is not None and op not in hello.ops:
        return f"the engine says that it has no op {op}"
    if hello.max_threads is not None and threads > hello.max_threads:
        return f"the engine says that it runs {hello.max_threads} threads at most, not {threads}"
    return None


def _check_output(bench: Workbench, case: Case, client: EngineClient, finding: _Finding) -> None:
    """Every input's output; what is timed is the first that is right."""
    load(client, case, 0)
    inputs = payload_of(case).inputs
    right: dict[int, str] = {}
    for which in range(len(inputs) or 1):
        if which:
            client.input("case", inputs[which])
        match, sha256 = _check_input(bench, case, client, which, finding)
        if match.wrong is None:
            right[which] = sha256
            finding.difference = max(finding.difference or 0.0, match.difference or 0.0)
            finding.variant = finding.variant or match.variant
        elif case.workload.is_sure(which) or case.engine.traces:
            finding.status, finding.difference = "wrong_output", match.difference
            finding.reason = f"for {case.workload.input_name(which)}: {match.wrong}" if inputs else match.wrong
            return
        else:
            finding.reason = finding.reason or match.wrong
    if not right:
        finding.status = "wrong_output"
        return
    finding.input_index, finding.output_sha256 = next(iter(right.items()))
    if len(inputs) > 1:
        client.input("case", inputs[finding.input_index])
    rounding = f"int8 is rounded as the variant {finding.variant} does" if finding.variant else None
    finding.reason = "; ".join(part for part in (case.workload.remark, rounding) if part) or None
    others = case.workload.opinions
    if others is not None:
        finding.confirmed_by = list(others.confirmed_by)
        if others.contradicted:
            finding.status, finding.reason = "wrong_output", others.contradicted


def _check_input(
    bench: Workbench, case: Case, client: EngineClient, which: int, finding: _Finding
) -> tuple[Match, str]:
    """How the output for one input compares, and its digest."""
    limit_ns = run_length_limit_ns(0, 1, _FIRST_RUN_NS)
    ran = client.run("case", threads=case.record.threads, samples=1, iterations=1, limit_ns=limit_ns)
    finding.first_ns = ran.samples_ns[0]
    finding.output_sha256 = client.output("case").sha256
    if finding.output_sha256 == case.workload.expected_sha256(which):
        return Match(0.0), finding.output_sha256
    path, traced = f"{bench.lease.scratch}/{case.record.id}.out", case.engine.traces
    client.output("case", path)
    match = case.workload.compare(bench.lease.fetch(path, case.workload.output_bytes), which, traced)
    if match.wrong and traced and (steps := case.workload.graph_and_input(which)):
        flips = explain(bench, *steps, client, case.record.id)
        finding.flips = (finding.flips or 0) + flips.count
        match = Match(flips.difference, flips.wrong)
    return match, finding.output_sha256
