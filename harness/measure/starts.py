"""From the start of an engine's process to its first result, by the launcher's clock on the device.

It is measured twice, in random order: with the pages of the engine's program and of the case's files in memory, and
after they were taken out of it. What else the process needs (an interpreter, shared libraries) stays as it is.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from bnnbench.devices.errors import CommandFailed
from bnnbench.kernels.engines.client import PROTOCOL, request_line
from bnnbench.kernels.engines.replies import Hello, Outcome, Output, Ran, Started
from bnnbench.kernels.errors import EngineError
from bnnbench.results.records import Gate

from ..bench.workbench import Workbench, payload_of
from ..plan.cases import Case

_LIMIT_S = 60.0
_MOST_RESIDENT = 0.02
"""Share of the pages that may stay: more, and the start was not cold."""


@dataclass(frozen=True, slots=True)
class Starts:
    """ns to the first result; `note` says why one is missing."""

    warm_ns: float | None = None
    dropped_ns: float | None = None
    note: str | None = None


def starts(bench: Workbench, case: Case, gate: Gate, place: int) -> Starts:
    """`place` decides the order. An engine that fails has a note. Raises DeviceError, Interrupted."""
    if bench.target.meter.is_exact or bench.target.facts.emulated:
        return Starts(note="starts of an emulated device are not timed")
    if case.engine.protocol is None:
        return Starts(note="an engine without a protocol does not say when its first result is there")
    found: dict[bool, float] = {}
    note = None
    order = [False, True]
    random.Random(f"{bench.context.seed} {case.record.id} {place}").shuffle(order)  # noqa: S311 - an order
    for dropped in order:
        try:
            found[dropped] = _start(bench, case, gate, dropped)
        except (EngineError, CommandFailed) as error:
            note = str(error)
    return Starts(found.get(False), found.get(True), note)


def _start(bench: Workbench, case: Case, gate: Gate, dropped: bool) -> float:
    """Raises EngineError, DeviceError."""
    lease, name = bench.lease, case.engine.name
    lease.copy_engines([name])  # the launcher runs the original, whose pages cannot be dropped
    payload = payload_of(case)
    lines = _requests(case, gate)
    requests = lease.folder.blob("".join(f"{line}\n" for line in lines).encode())
    inputs = [payload.inputs[gate.input_index]] if payload.inputs else []
    files = [*lease.paths[name], *(path for path in payload.keys.values() if path.startswith("blobs/")), *inputs]
    drops = [word for path in dict.fromkeys(files) for word in ("--drop", path)] if dropped else []
    words = [f"./{lease.launcher.path}", "start", *drops, "--requests", requests, "--"]
    process = lease.launcher.start(
        [*words, *lease.command(name, case.record.threads)], lease.threads_on(case.record.threads), _LIMIT_S
    )
    try:
        with lease.stop.ends(process), bench.timed():
            line = process.read_line(time.monotonic() + _LIMIT_S)
    except (EOFError, TimeoutError):
        lease.stop.check()
        raise EngineError(f"engine '{name}' did not answer within {_LIMIT_S:.0f} s of its start.") from None
    finally:
        with suppress(OSError):
            process.kill()
    return _judged(line, lines, name, gate, dropped)


def _requests(case: Case, gate: Gate) -> list[str]:
    """What is asked of the process, at once; `run` executes once, and once more as its only sample."""
    payload = payload_of(case)
    lines = [request_line("hello", {}), request_line("load", {"id": "case", **payload.keys})]
    if payload.inputs:
        lines.append(request_line("input", {"id": "case", "path": payload.inputs[gate.input_index]}))
    for index, path in enumerate(payload.more, 1):
        lines.append(request_line("input", {"id": "case", "path": path, "index": index}))
    keys = {"id": "case", "threads": case.record.threads, "samples": 1, "warmup_ns": 0, "iterations": 1}
    lines.append(request_line("run", {**keys, "limit_ns": int(_LIMIT_S * 1e9)}))
    return [*lines, request_line("output", {"id": "case"})]


def _judged(line: str, lines: Sequence[str], name: str, gate: Gate, dropped: bool) -> float:
    """The time to the first result. Raises EngineError for replies that are not those of a right engine."""
    where = f"engine '{name}', when its start was timed,"
    try:
        outcome = msgspec.json.decode(line, type=Outcome)
        if not outcome.ok:
            raise EngineError(f"{where} failed: {outcome.error.rstrip('.')}.")
        started = msgspec.json.decode(line, type=Started)
        replies = [msgspec.json.decode(reply, type=Outcome) for reply in started.replies]
        refused = next((item for item in replies if not item.ok), None)
        if refused is not None:
            raise EngineError(f"{where} refused a request: {refused.error[:200].rstrip('.')}.")
        if len(replies) != len(lines) or len(started.ns) != len(lines):
            raise EngineError(f"{where} gave {len(replies)} replies to {len(lines)} requests.")
        if msgspec.json.decode(started.replies[0], type=Hello).protocol != PROTOCOL:
            raise EngineError(f"{where} speaks another protocol.")
        ran = msgspec.json.decode(started.replies[-2], type=Ran)
        output = msgspec.json.decode(started.replies[-1], type=Output)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise EngineError(f"{where} answered with what is not a valid reply: {error}.") from None
    if output.sha256 != gate.output_sha256:
        raise EngineError(f"{where} gave an output that differs from the verified one.")
    if dropped and (left := max(started.resident, default=0.0)) > _MOST_RESIDENT:
        raise EngineError(
            f"the pages of the files could not be taken out of memory ({left * 100:.0f} % stayed), so there is no time "
            "of a start without them."
        )
    return _first_result_ns(started.ns[-2], ran)


def _first_result_ns(reply_ns: float, ran: Ran) -> float:
    """When the first execution had ended: the reply to `run` comes after one more, where the engine says how long it
    took in all."""
    if ran.start_ns is None or ran.end_ns is None or ran.first_ns is None:
        return reply_ns
    later = ran.end_ns - ran.start_ns - ran.first_ns
    return reply_ns - later if 0 < later < reply_ns else reply_ns
