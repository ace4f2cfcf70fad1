"""Outputs of programs that only print a summary, where they can write them to a file: the gate, and what it needs."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bnnbench.devices.errors import CommandFailed, TooMuchOutput
from bnnbench.kernels.engines.tflite_benchmark import ONE_RUN, ignored_flag, output_flags
from bnnbench.kernels.errors import EngineError
from bnnbench.results.records import Gate

from ..bench.workbench import Workbench, payload_of
from ..clock import now
from ..plan.cases import Case
from ..workload.output_match import Match
from .finding import Finding
from .program import Ended, run_program
from .verify import not_compared

_NEWER = "use one of TensorFlow 2.12 or newer"


@dataclass(frozen=True, slots=True)
class Written:
    """A run that was asked for its outputs. `content` is what it wrote, None where there is nothing, or too much;
    `too_long` says so. `ignored` is the first of the flags for it that the program said to ignore."""

    ended: Ended
    content: bytes | None
    too_long: str | None
    ignored: str | None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content or b"").hexdigest()

    @property
    def unseen(self) -> str | None:
        """Why there is no output to verify, in words; None where there is one."""
        why = "its output was not verified: this version writes no outputs"
        if self.ignored:
            return f"{why}: it ignores {self.ignored}; {_NEWER}, with a command that does not set this itself"
        if self.content is not None or self.too_long:
            return None
        if self.ended.status:
            message = f"asked for them, it ended with status {self.ended.status} and said: {self.ended.last_words}"
            return f"{why}: {message}; {_NEWER}"
        return f"{why}; {_NEWER}, with a command that passes on the words behind it"


def gate_written(bench: Workbench, case: Case) -> Gate:
    """`unverified` where the program writes no outputs. Raises DeviceError when the device is lost, Interrupted; a
    program that fails is a gate that says so."""
    started, wall, finding = now(), time.monotonic_ns(), Finding()
    name = f"engine '{case.record.engine}'"
    if case.workload.unverified:
        finding.status, finding.reason = "unverified", not_compared(case)
        return finding.gate(case, started, time.monotonic_ns() - wall)
    try:
        first = run_writing(bench, case, 0, ONE_RUN)
        if first.unseen:
            finding.status, finding.reason = "unverified", f"{name}: {first.unseen}"
        else:
            finding.judge(
                case, lambda which: _look(case, which, run_writing(bench, case, which, ONE_RUN) if which else first)
            )
    except (EngineError, CommandFailed) as error:
        finding.status, finding.reason = "failed", f"{name}: {error}"
    return finding.gate(case, started, time.monotonic_ns() - wall)


def run_writing(bench: Workbench, case: Case, which: int, flags: Sequence[str] = ()) -> Written:
    """A run on the case's input number `which`, asked for its outputs. Raises as `run_program`."""
    shown = case.workload.graph_and_input(which)
    assert shown is not None, "programs without a protocol load only models"
    # A name that never was there: whatever the file holds is of this run.
    path = f"{bench.lease.scratch}/{case.record.id}-{secrets.token_hex(8)}.out"
    asked = output_flags([(payload_of(case).inputs[which], shown[1].shape)], path)
    ended = run_program(bench, case, [*asked, *flags])
    content, too_long, size_bytes = None, None, case.workload.output_bytes
    try:
        content = bench.lease.written(path, size_bytes)
    except TooMuchOutput:
        too_long = f"the output has more than {size_bytes} bytes"
    return Written(ended, content, too_long, ignored_flag(ended.text, asked))


def _look(case: Case, which: int, written: Written) -> tuple[Match, str]:
    """How the output compares, and its digest."""
    written.ended.require_success()
    if written.too_long:
        return Match(None, written.too_long), written.sha256
    if written.content is None:
        raise EngineError(f"it wrote no outputs for {case.workload.input_name(which)}, as it did before.")
    if written.sha256 == case.workload.expected_sha256(which):
        return Match(0.0), written.sha256
    return case.workload.compare(written.content, which, traced=False), written.sha256
