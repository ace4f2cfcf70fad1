"""What is measured on a target: the time of a wall clock, or the instructions that an emulator counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bnnbench.kernels.engines import Engine, Refusal
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.instruction_counter import instructions_per_iteration


class Meter(Protocol):
    """One way to measure. `metric` is a row of `bnnbench.results.metrics`, `verb` what is shown while it goes on.

    `is_exact`: figures repeat to the digit, so that one invocation will do, nothing is warmed up or calibrated, and
    nothing around an engine matters. `has_roofs`: what the machine can do at most is measured in the same unit.
    """

    @property
    def metric(self) -> str: ...

    @property
    def verb(self) -> str: ...

    @property
    def is_exact(self) -> bool: ...

    @property
    def has_roofs(self) -> bool: ...

    def refusal(self, engine: Engine, threads: int) -> Refusal | None:
        """Why a case cannot be measured in this way, for its skip; None when it can."""
        ...

    def invocations(self, wanted: int) -> int:
        """How many there are of a case for which so many are wanted."""
        ...

    def blocks(self, samples: int, iterations: int, extra_ppm: int) -> tuple[int, int]:
        """Samples of an invocation and iterations of each, from what a clock would need."""
        ...

    def counters(self, counted: Callable[[], bytes], iterations: int) -> dict[str, float]:
        """Figures beside the engine's own, per iteration; `counted` reads what the emulator wrote. Raises EngineError,
        DeviceError."""
        ...


@dataclass(frozen=True, slots=True)
class WallClock:
    """Times, by the engine's own clock."""

    metric: str = "latency"
    verb: str = "timing"
    is_exact: bool = False
    has_roofs: bool = True

    def refusal(self, engine: Engine, threads: int) -> Refusal | None:
        """None: whatever runs can be timed."""
        return None

    def invocations(self, wanted: int) -> int:
        """As many as wanted."""
        return wanted

    def blocks(self, samples: int, iterations: int, extra_ppm: int) -> tuple[int, int]:
        """As they are."""
        return samples, iterations

    def counters(self, counted: Callable[[], bytes], iterations: int) -> dict[str, float]:
        """None: the engine says its times."""
        return {}


_COUNTED = 2
"""Iterations that are counted; instructions repeat to the digit, so few will do."""


@dataclass(frozen=True, slots=True)
class InstructionCount:
    """Instructions per iteration, by a plugin of the emulator; times there mean nothing."""

    metric: str = "instructions"
    verb: str = "counting"
    is_exact: bool = True
    has_roofs: bool = False

    def refusal(self, engine: Engine, threads: int) -> Refusal | None:
        """One thread, and an engine that marks its blocks."""
        if threads > 1:
            return Refusal(f"instructions are counted on one thread, not {threads}")
        if engine.protocol is None:
            return Refusal(f"the engine '{engine.name}' does not mark its iterations, so they cannot be counted")
        return None

    def invocations(self, wanted: int) -> int:
        """One."""
        return min(1, wanted)

    def blocks(self, samples: int, iterations: int, extra_ppm: int) -> tuple[int, int]:
        """One iteration is the engine's first block; what the others take on top is counted."""
        return 1, 1 + (round(2e6 / extra_ppm) if extra_ppm else _COUNTED)

    def counters(self, counted: Callable[[], bytes], iterations: int) -> dict[str, float]:
        """Raises EngineError when the engine did not mark its blocks."""
        found = instructions_per_iteration(counted().decode("ascii", "replace"), iterations - 1)
        if found is None:
            raise EngineError("the engine did not mark its timed blocks, so its instructions cannot be counted.")
        return {"instructions": found}


WALL_CLOCK, INSTRUCTION_COUNT = WallClock(), InstructionCount()
