"""The gate of a case: its output against the reference's, then its calibration, in one process."""

from __future__ import annotations

import time

from bnnbench.devices.errors import CommandFailed
from bnnbench.kernels.engines.client import EngineClient, run_length_limit_ns
from bnnbench.kernels.engines.replies import Hello
from bnnbench.kernels.errors import EngineError
from bnnbench.results.records import Gate

from ..bench.workbench import Workbench, load, payload_of
from ..clock import now
from ..plan.cases import Case
from ..workload.output_match import Match
from .finding import Finding
from .sign_flips import explain
from .warmup import calibrate

_DEADLINE_S = 900.0
_FIRST_RUN_NS = 10_000_000_000


def verify(bench: Workbench, case: Case) -> Gate:
    """Raises DeviceError when the device is lost, Interrupted; an engine that fails is a gate that says so."""
    started, wall, finding = now(), time.monotonic_ns(), Finding()
    try:
        with bench.lease.engine(case.engine.name, case.record.threads, _DEADLINE_S) as (client, hello):
            finding.isa = hello.isa
            finding.reason = _refusal(case, hello)
            if finding.reason:
                finding.status = "skipped"
            elif case.workload.unverified:
                _run_unverified(case, client, finding)
            else:
                _check_output(bench, case, client, finding)
            if finding.status in ("ok", "unverified") and bench.context.calibrates and not bench.target.meter.is_exact:
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
    return finding.gate(case, started, time.monotonic_ns() - wall)


def _refusal(case: Case, hello: Hello) -> str | None:
    op, threads = case.workload.op, case.record.threads
    if hello.ops is not None and op is not None and op not in hello.ops:
        return f"the engine says that it has no op {op}"
    if hello.max_threads is not None and threads > hello.max_threads:
        return f"the engine says that it runs {hello.max_threads} threads at most, not {threads}"
    return None


def _run_unverified(case: Case, client: EngineClient, finding: Finding) -> None:
    """Its output is only remembered: invocations must repeat it."""
    load(client, case, 0)
    finding.first_ns = _ran_once(case, client)
    finding.output_sha256 = client.output("case").sha256
    finding.status, finding.reason = "unverified", not_compared(case)


def not_compared(case: Case) -> str:
    """Why, without what could be done to measure it, which is done here."""
    why = case.workload.unverified or ""
    return f"its output was not compared: {why.rpartition(';')[0] or why}"


def _ran_once(case: Case, client: EngineClient) -> float:
    """Its time."""
    limit_ns = run_length_limit_ns(0, 1, _FIRST_RUN_NS)
    return client.run("case", threads=case.record.threads, samples=1, iterations=1, limit_ns=limit_ns).samples_ns[0]


def _check_output(bench: Workbench, case: Case, client: EngineClient, finding: Finding) -> None:
    """Every input's output; the first that is right is what is loaded in the end."""
    load(client, case, 0)
    inputs = payload_of(case).inputs

    def look(which: int) -> tuple[Match, str]:
        if which:
            client.input("case", inputs[which])
        return _check_input(bench, case, client, which, finding)

    finding.judge(case, look)
    if finding.status == "ok" and len(inputs) > 1:
        client.input("case", inputs[finding.input_index])


def _check_input(bench: Workbench, case: Case, client: EngineClient, which: int, finding: Finding) -> tuple[Match, str]:
    """How the output for one input compares, and its digest."""
    finding.first_ns = _ran_once(case, client)
    sha256 = client.output("case").sha256
    if sha256 == case.workload.expected_sha256(which):
        return Match(0.0), sha256
    path, traced = f"{bench.lease.scratch}/{case.record.id}.out", case.engine.traces
    client.output("case", path)
    match = case.workload.compare(bench.lease.fetch(path, case.workload.output_bytes), which, traced)
    if match.wrong and traced and (steps := case.workload.graph_and_input(which)):
        flips = explain(bench, *steps, client, case.record.id)
        finding.flips = (finding.flips or 0) + flips.count
        match = Match(flips.difference, flips.wrong)
    return match, sha256
