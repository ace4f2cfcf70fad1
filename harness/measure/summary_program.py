"""Cases of engines that only print a summary: their output is never seen, so they are `unverified`."""

from __future__ import annotations

import time

from bnnbench.devices.errors import CommandFailed
from bnnbench.kernels.engines.claims import work_contradiction
from bnnbench.kernels.engines.tflite_benchmark import Summary, parse_summary
from bnnbench.kernels.errors import EngineError
from bnnbench.results.records import Gate, Invocation

from ..bench.workbench import Workbench, payload_of
from ..clock import now
from ..plan.cases import Case
from .invoke import Place

_DEADLINE_S = 900.0
_END_S = 10.0
_LONGEST_OUTPUT = 1_000_000
_LONGEST_LINE = 300


def gate_unseen(case: Case) -> Gate:
    """What stands for the gate."""
    return Gate(
        case_id=case.record.id,
        status="unverified",
        reason=f"engine '{case.record.engine}' prints a summary and shows no output to verify",
        engine_build=case.record.engine_build,
        started=now(),
    )


def invoke_summarized(bench: Workbench, case: Case, place: Place) -> Invocation:
    """One run of the program. Raises DeviceError when the device is lost, Interrupted."""
    started, wall = now(), time.monotonic_ns()
    record, summary, failure = case.record, None, None
    try:
        summary = _measure(bench, case)
    except (EngineError, CommandFailed) as error:
        failure = f"engine '{record.engine}': {error}"
    return Invocation(
        case_id=record.id,
        index=place.index,
        order=place.order,
        status="unverified" if summary else "failed",
        reason=failure,
        started=started,
        engine_build=record.engine_build,
        iterations=summary.runs if summary else None,
        first_ns=summary.first_ns if summary else None,
        load_ns=summary.load_ns if summary else None,
        samples_ns=[summary.latency_ns] if summary else [],
        wall_ns=time.monotonic_ns() - wall,
    )


def _measure(bench: Workbench, case: Case) -> Summary:
    model = payload_of(case).keys["model"]
    lines: list[str] = []
    with bench.timed(), bench.lease.program(case.engine.name, model, case.record.threads, _DEADLINE_S) as process:
        began = time.monotonic_ns()
        deadline, length = time.monotonic() + _DEADLINE_S, 0
        try:
            while length < _LONGEST_OUTPUT:
                lines.append(process.read_line(deadline))
                length += len(lines[-1]) + 1
        except EOFError:
            pass
        except TimeoutError:
            raise EngineError(f"it did not end within {_DEADLINE_S:.0f} s.") from None
        status = process.wait(time.monotonic() + _END_S)
        said = process.stderr_tail()
        waited_ns = time.monotonic_ns() - began
    if status:
        raise EngineError(f"it ended with status {status}. It said: {_last_words(lines, said)}")
    try:
        # Some builds print to stderr.
        summary = parse_summary("\n".join(lines + said.splitlines()))
    except EngineError as error:
        raise EngineError(f"{error} It said: {_last_words(lines, said)}") from None
    if wrong := work_contradiction(summary.runs * summary.min_ns, waited_ns):
        raise EngineError(f"its summary has times that cannot be: it {wrong}.")
    return summary


def _last_words(lines: list[str], said: str) -> str:
    """The last lines on either stream, without the launcher's own."""
    last = [line for line in (*lines, *said.splitlines()) if line.strip() and not line.startswith("{")][-2:]
    return " | ".join(line[:_LONGEST_LINE] for line in last) or "nothing"
