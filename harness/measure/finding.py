"""What a gate finds: an engine's outputs for the inputs of a case against the right ones, however they were had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bnnbench.results.metrics import number
from bnnbench.results.records import Gate, Status

from ..bench.workbench import payload_of
from ..plan.cases import Case
from ..workload.output_match import Match
from ..workload.with_right_outputs import HYBRID, ZERO_SIGN
from .warmup import Warmup


def _variant_words(variant: str) -> str:
    return _VARIANTS.get(variant, f"int8 is rounded as the variant {variant} does")


_VARIANTS = {
    ZERO_SIGN: "of 0 its Sign is 0",
    HYBRID: "floats are rounded to int8 before int8 weights, which the reference takes as floats",
}


@dataclass
class Finding:
    """As the fields of `Gate`."""

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

    def judge(self, case: Case, look: Callable[[int], tuple[Match, str]]) -> None:
        """Every input's output; what is timed is the first that is right. `look` says how the output for an input
        compares, and its digest."""
        inputs = payload_of(case).inputs
        right: dict[int, str] = {}
        for which in range(len(inputs) or 1):
            match, sha256 = look(which)
            self.output_sha256 = sha256
            if match.wrong is None:
                right[which] = sha256
                self.difference = max(self.difference or 0.0, match.difference or 0.0)
                self.variant = self.variant or match.variant
            elif case.workload.is_sure(which) or case.engine.traces:
                self.status, self.difference = "wrong_output", match.difference
                self.reason = f"for {case.workload.input_name(which)}: {match.wrong}" if inputs else match.wrong
                return
            else:
                self.reason = self.reason or match.wrong
        if not right:
            self.status = "wrong_output"
            return
        self.input_index, self.output_sha256 = next(iter(right.items()))
        rounding = _variant_words(self.variant) if self.variant else None
        self.reason = "; ".join(part for part in (case.workload.remark, rounding) if part) or None
        others = case.workload.opinions
        if others is not None:
            self.confirmed_by = list(others.confirmed_by)
            if others.contradicted:
                self.status, self.reason = "wrong_output", others.contradicted

    def gate(self, case: Case, started: str, wall_ns: int) -> Gate:
        """The record of it."""
        calibration = self.calibration
        return Gate(
            case_id=case.record.id,
            status=self.status,
            reason=self.reason,
            engine_build=case.record.engine_build,
            isa=self.isa,
            output_sha256=self.output_sha256,
            iterations=calibration.iterations if calibration else None,
            warmup_ns=calibration.warmup_ns if calibration else None,
            settled=calibration.settled if calibration else None,
            block_ns=calibration.block_ns if calibration else None,
            max_abs_difference=number(self.difference),
            input_index=self.input_index,
            flips=self.flips,
            rounding=self.variant,
            confirmed_by=self.confirmed_by,
            run_request_ns=self.run_ns,
            wall_ns=wall_ns,
            started=started,
        )
