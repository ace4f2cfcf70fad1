"""One invocation: a fresh process that loads, warms up, takes its samples and repeats the verified output."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median

import msgspec

from bnnbench.devices.errors import CommandFailed
from bnnbench.kernels.engines.claims import unexplained
from bnnbench.kernels.engines.client import EngineClient, run_length_limit_ns
from bnnbench.kernels.engines.replies import Hello, Loaded, Ran
from bnnbench.kernels.errors import EngineError
from bnnbench.results.records import Gate, Invocation, Status
from bnnbench.results.roof import beyond_any

from ..bench.surroundings import Watched
from ..bench.workbench import Workbench, load
from ..clock import now
from ..plan.cases import Case
from ..plan.extras import executions
from .starts import Starts, starts

_DEADLINE_SLACK_S = 60.0
_UNKNOWN_BLOCK_NS = 10_000_000_000
_ATTEMPTS = 3
"""At a wait that the claimed times explain: this machine may have been busy, but not every time."""


@dataclass(frozen=True, slots=True)
class InPair:
    """What an invocation is part of when two sides are compared; `extra_ppm` slows it down by so much."""

    comparison_id: str
    pair: int
    extra_ppm: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Which invocation of its case it is, and at which place of the device's order it stands."""

    index: int
    order: int
    within: InPair | None = None


def invoke(bench: Workbench, case: Case, place: Place, gate: Gate) -> Invocation:
    """Raises DeviceError when the device is lost, Interrupted; an engine that fails is an invocation that says so."""
    started, begun = now(), time.monotonic_ns()
    asked = _asked(bench, gate, place.within)
    done = _Done()
    try:
        _execute(bench, case, gate, asked, done, place.index)
    except (EngineError, CommandFailed) as error:
        done.status, done.reason, done.ran = "failed", str(error), None
    if done.ran and done.output != gate.output_sha256:
        done.status, done.reason, done.ran = "wrong_output", "the output differs from the verified one", None
    iterations = asked.iterations if bench.target.meter.is_exact else gate.iterations
    one = _record(case, place, iterations, done, started, time.monotonic_ns() - begun)
    return msgspec.structs.replace(one, deadline_ns=bench.context.extras.deadline_ns if done.each_ns else None)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of `run`."""

    samples: int
    iterations: int
    warmup_ns: int
    extra_ppm: int
    limit_ns: int
    each: _Asked | None = None

    @property
    def longest_s(self) -> float:
        """Of the engine's process."""
        return (self.limit_ns + (self.each.limit_ns if self.each else 0)) / 1e9 + _DEADLINE_SLACK_S


def _asked(bench: Workbench, gate: Gate, within: InPair | None) -> _Asked:
    extra_ppm, warmup_ns = within.extra_ppm if within else 0, int(gate.warmup_ns or 0)
    samples, iterations = bench.target.meter.blocks(bench.context.samples, gate.iterations or 1, extra_ppm)
    limit_ns = run_length_limit_ns(warmup_ns, samples + 1, gate.block_ns or _UNKNOWN_BLOCK_NS)
    return _Asked(samples, iterations, warmup_ns, extra_ppm, limit_ns, _each_asked(bench, gate, iterations, extra_ppm))


def _each_asked(bench: Workbench, gate: Gate, iterations: int, extra_ppm: int) -> _Asked | None:
    """Single executions, where the suite wants them; not in a comparison with a known slow-down, which they lack."""
    if not bench.context.extras.tails or bench.target.meter.is_exact or extra_ppm:
        return None
    execution_ns = (gate.block_ns or _UNKNOWN_BLOCK_NS) / iterations
    count = executions(execution_ns)
    return _Asked(count, 1, 0, 0, run_length_limit_ns(0, count + 1, execution_ns))


@dataclass(slots=True)
class _Done:
    """What came of it; of one that failed, as much as there was."""

    status: Status = "ok"
    reason: str | None = None
    hello: Hello | None = None
    loaded: Loaded | None = None
    ran: Ran | None = None
    output: str | None = None
    watched: Watched | None = None
    run_ns: int = 0
    each_ns: list[float] = field(default_factory=list)
    each_note: str | None = None
    starts: Starts = field(default_factory=Starts)
    counted: dict[str, float] = field(default_factory=dict)


def _execute(bench: Workbench, case: Case, gate: Gate, asked: _Asked, done: _Done, place: int) -> None:
    """Fills `done`. Raises EngineError, DeviceError, Interrupted."""
    threads = case.record.threads
    bench.surroundings.cool_down()
    if bench.context.extras.starts:
        done.starts = starts(bench, case, gate, place)
    with (
        bench.surroundings.watching(bench.lease.threads_on(threads)) as done.watched,
        bench.lease.engine(case.engine.name, threads, asked.longest_s) as (client, done.hello),
    ):
        done.loaded = load(client, case, gate.input_index)
        for _ in range(_ATTEMPTS):
            done.ran = _run(bench, case, client, asked)
            if impossible := beyond_any(case.record, median(done.ran.samples_ns)):
                raise EngineError(f"engine '{case.engine.name}' answered run, but {impossible}.")
            done.run_ns = client.waited_ns
            done.output = client.output("case").sha256
            done.reason = _oddity(bench, done.ran, asked, done.run_ns, client.round_trip_ns)
            if done.reason is None:
                break
        done.status = "unstable" if done.reason else "ok"
        if asked.each is not None:
            _time_each(bench, case, client, asked.each, done)
    done.counted = bench.target.meter.counters(bench.lease.counted, asked.iterations)


def _time_each(bench: Workbench, case: Case, client: EngineClient, asked: _Asked, done: _Done) -> None:
    """Single executions; where they fail, the samples stand. Raises DeviceError, Interrupted."""
    try:
        done.each_ns = _run(bench, case, client, asked).samples_ns
        done.output = client.output("case").sha256
    except EngineError as error:
        bench.context.stop.check()
        done.each_ns, done.each_note = [], f"single executions: {error}"


def _run(bench: Workbench, case: Case, client: EngineClient, asked: _Asked) -> Ran:
    known = case.engine.run_keys
    with bench.timed():
        return client.run(
            "case",
            threads=case.record.threads,
            samples=asked.samples,
            warmup_ns=asked.warmup_ns,
            iterations=asked.iterations,
            limit_ns=asked.limit_ns,
            extra_ppm=asked.extra_ppm,
            watch=bench.surroundings.watched if "watch" in known else (),
            counters=bench.surroundings.counters if "counters" in known else (),
        )


def _oddity(bench: Workbench, ran: Ran, asked: _Asked, waited_ns: int, round_trip_ns: int) -> str | None:
    """What is odd about the claimed times, beside what this end waited for them; on emulated devices nothing is."""
    if bench.target.meter.is_exact or bench.target.facts.emulated:
        return None
    return unexplained(ran, asked.iterations, asked.warmup_ns, waited_ns, round_trip_ns)


def _record(case: Case, place: Place, iterations: int | None, done: _Done, started: str, wall_ns: int) -> Invocation:
    hello, loaded, ran, watched, within = done.hello, done.loaded, done.ran, done.watched, place.within
    return Invocation(
        case_id=case.record.id,
        index=place.index,
        order=place.order,
        status=done.status,
        reason=done.reason,
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
        counters=(done.counted or dict(ran.counters or {}) or None) if ran else None,
        counters_error=ran.counters_error if ran else None,
        watch=watched.watch(ran) if watched else None,
        telemetry=watched.telemetry(ran, median(ran.samples_ns) if ran else None) if watched else {},
        peak_rss_bytes=ran.peak_rss_bytes or None if ran else None,
        arena_bytes=loaded.arena_bytes if loaded else None,
        output_sha256=done.output,
        each_ns=done.each_ns if ran else [],
        start_warm_ns=done.starts.warm_ns,
        start_dropped_ns=done.starts.dropped_ns,
        extras_note="; ".join(note for note in (done.each_note, done.starts.note) if note) or None,
        comparison_id=within.comparison_id if within else None,
        pair=within.pair if within else None,
        run_request_ns=done.run_ns if ran else None,
        wall_ns=wall_ns,
    )
