"""One invocation: a fresh process that loads, warms up, takes its samples and repeats the verified output."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import Any

from bnnbench.devices.errors import CommandFailed
from bnnbench.kernels.engines import SideEngine
from bnnbench.kernels.engines.claims import unexplained
from bnnbench.kernels.engines.client import run_length_limit_ns
from bnnbench.kernels.engines.replies import Ran
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.instruction_counter import instructions_per_iteration
from bnnbench.results.records import Gate, Invocation, Status
from bnnbench.results.roof import beyond_any

from ..bench.workbench import Workbench, load
from ..clock import now
from ..plan.cases import Case

_DEADLINE_SLACK_S = 60.0
_UNKNOWN_BLOCK_NS = 10_000_000_000
_ATTEMPTS = 3
"""At a wait that the claimed times explain: this machine may have been busy, but not every time."""
_COUNTED = 2
"""Iterations that are counted; instructions repeat to the digit, so few will do."""


@dataclass(frozen=True, slots=True)
class InPair:
    """What an invocation is part of when two sides are compared; `extra_ppm` slows it down by so much."""

    comparison_id: str
    pair: int
    extra_ppm: int = 0


def invoke(
    bench: Workbench, case: Case, index: int, order: int, gate: Gate, within: InPair | None = None
) -> Invocation:
    """Raises DeviceError when the device is lost, Interrupted; an engine that fails is an invocation that says so."""
    started, wall, threads = now(), time.monotonic_ns(), case.record.threads
    samples, warmup_ns, iterations = bench.context.samples, int(gate.warmup_ns or 0), gate.iterations or 1
    extra_ppm = within.extra_ppm if within else 0
    if bench.target.counts:
        # One iteration is the engine's first block; what the others take on top is counted.
        samples, iterations = 1, 1 + (round(2e6 / extra_ppm) if extra_ppm else _COUNTED)
    limit_ns = run_length_limit_ns(warmup_ns, samples + 1, gate.block_ns or _UNKNOWN_BLOCK_NS)
    status: Status = "ok"
    reason = hello = loaded = ran = output = watched = None
    run_ns, instructions = 0, None
    try:
        deadline_s = limit_ns / 1e9 + _DEADLINE_SLACK_S
        bench.surroundings.cool_down()
        with (
            bench.surroundings.watching(bench.threads_on(threads)) as watched,
            bench.engine(case.engine.name, threads, deadline_s) as (client, hello),
        ):
            loaded = load(client, case, gate.input_index)
            for _ in range(_ATTEMPTS):
                with bench.timed():
                    ran = client.run(
                        "case",
                        threads=threads,
                        samples=samples,
                        warmup_ns=warmup_ns,
                        iterations=iterations,
                        limit_ns=limit_ns,
                        extra_ppm=extra_ppm,
                        watch=bench.surroundings.watched if _is_ours(case) else (),
                        counters=bench.surroundings.counters if _is_ours(case) else (),
                    )
                if impossible := beyond_any(case.record, median(ran.samples_ns)):
                    raise EngineError(f"engine '{case.engine.name}' answered run, but {impossible}.")
                run_ns = client.waited_ns
                output = client.output("case").sha256
                reason = _oddity(bench, ran, iterations, warmup_ns, run_ns, client.round_trip_ns)
                if reason is None:
                    break
            status = "unstable" if reason else "ok"
        instructions = _instructions(bench, iterations - 1) if bench.target.counts else None
    except (EngineError, CommandFailed) as error:
        status, reason, ran = "failed", str(error), None
    if ran and output != gate.output_sha256:
        status, reason, ran = "wrong_output", "the output is not the one that was verified", None
    return Invocation(
        case_id=case.record.id,
        index=index,
        order=order,
        status=status,
        reason=reason,
        started=started,
        isa=hello.isa if hello else None,
        engine_build=case.record.engine_build,
        iterations=iterations if bench.target.counts else gate.iterations,
        first_ns=ran.first_ns if ran else None,
        load_ns=loaded.load_ns if loaded else None,
        warmup_samples_ns=ran.warmup_samples_ns if ran else [],
        samples_ns=ran.samples_ns if ran else [],
        clock_hz=ran.clock_hz if ran else [],
        start_ns=ran.start_ns if ran else None,
        end_ns=ran.end_ns if ran else None,
        cpus_used=ran.cpus_used if ran else [],
        counters=_counters(ran, instructions) if ran else None,
        counters_error=ran.counters_error if ran else None,
        watch=watched.watch(ran) if watched else None,
        telemetry=watched.telemetry(ran, median(ran.samples_ns) if ran else None) if watched else {},
        peak_rss_bytes=ran.peak_rss_bytes or None if ran else None,
        arena_bytes=loaded.arena_bytes if loaded else None,
        output_sha256=output,
        comparison_id=within.comparison_id if within else None,
        pair=within.pair if within else None,
        run_request_ns=run_ns if ran else None,
        wall_ns=time.monotonic_ns() - wall,
    )


def _oddity(
    bench: Workbench, ran: Ran, iterations: int, warmup_ns: int, waited_ns: int, round_trip_ns: int
) -> str | None:
    """What is odd about the claimed times, beside what this end waited for them; on emulated devices nothing is."""
    if bench.target.counts or bench.target.facts.emulated:
        return None
    return unexplained(ran, iterations, warmup_ns, waited_ns, round_trip_ns)


def _is_ours(case: Case) -> bool:
    """Whether the engine is one of ours, whatever binary stands in for it: others need not know `watch=` and
    `counters=`."""
    engine = case.engine.engine if isinstance(case.engine, SideEngine) else case.engine
    return engine.builds


def _instructions(bench: Workbench, more: int) -> float:
    """Per iteration, of the engine that has just ended. Raises EngineError when it did not mark its blocks."""
    written = bench.fetch(bench.counts_file, 0).decode("ascii", "replace")  # two numbers
    found = instructions_per_iteration(written, more)
    if found is None:
        raise EngineError("the engine did not mark its timed blocks, so its instructions cannot be counted.")
    return found


def _counters(ran: Ran, instructions: float | None) -> dict[str, Any] | None:
    if instructions is not None:
        return {"instructions": instructions}
    return dict(ran.counters) if ran.counters else None
