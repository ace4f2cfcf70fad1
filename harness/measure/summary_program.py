"""Timing by programs that print a summary; those that write outputs must repeat the verified one."""

from __future__ import annotations

import time

from bnnbench.devices.errors import CommandFailed
from bnnbench.kernels.engines.claims import work_contradiction
from bnnbench.kernels.engines.tflite_benchmark import Summary, parse_summary
from bnnbench.kernels.errors import EngineError
from bnnbench.results.records import Gate, Invocation, Status

from ..bench.workbench import Workbench
from ..clock import now
from ..plan.cases import Case
from .invoke import Place
from .program import Ended, run_program
from .written_output import run_writing


def invoke_summarized(bench: Workbench, case: Case, place: Place, gate: Gate) -> Invocation:
    """One run of the program, on the verified input where there is one. Raises DeviceError when the device is lost,
    Interrupted."""
    started, wall = now(), time.monotonic_ns()
    record, within = case.record, place.within
    status: Status = gate.status
    summary, output, reason = None, None, None
    try:
        if within and within.extra_ppm:
            raise EngineError("it cannot be slowed down by a known share.")
        with bench.timed():
            written = run_writing(bench, case, gate.input_index) if gate.status == "ok" else None
            ended = written.ended if written else run_program(bench, case)
        summary, output = _summary(ended), written.sha256 if written else None
    except (EngineError, CommandFailed) as error:
        status, reason = "failed", f"engine '{record.engine}': {error}"
    if summary and output != gate.output_sha256:
        status, reason, summary = "wrong_output", "the output differs from the verified one", None
    return Invocation(
        case_id=record.id,
        index=place.index,
        order=place.order,
        status=status,
        reason=reason,
        started=started,
        engine_build=record.engine_build,
        iterations=summary.runs if summary else None,
        first_ns=summary.first_ns if summary else None,
        load_ns=summary.load_ns if summary else None,
        samples_ns=[summary.latency_ns] if summary else [],
        output_sha256=output,
        comparison_id=within.comparison_id if within else None,
        pair=within.pair if within else None,
        wall_ns=time.monotonic_ns() - wall,
    )


def _summary(ended: Ended) -> Summary:
    ended.require_success()
    try:
        summary = parse_summary(ended.text)
    except EngineError as error:
        raise EngineError(f"{error} It said: {ended.last_words}") from None
    if wrong := work_contradiction(summary.runs * summary.min_ns, ended.waited_ns):
        raise EngineError(f"its summary has impossible times: it {wrong}.")
    return summary
