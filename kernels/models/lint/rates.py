"""What work costs: in ns on a device whose roofs and steps were measured, or in multiply-accumulates without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from ..plan.steps import Step
from ..plan.work import work_of

Unit = Literal["ns", "MACs"]
_STAGE_BYTES = 4
"""What one stage of a step reads for each value, in the first cache; it is written in the same time."""
_REACHED = 0.7
"""Share of a roof that convolutions of usual shapes reach: for kinds of work that the model itself has none of."""


@dataclass(frozen=True, slots=True)
class Roofs:
    """Of one device and thread: 2 operations for each MAC, the bytes that each level of the memory can feed, and how
    large the second and the last cache are."""

    popcount_gops: float | None
    fma_gflops: float | None
    read_gb_s: Mapping[str, float]
    l2_bytes: int
    last_bytes: int


@dataclass(frozen=True, slots=True)
class Rates:
    """Costs in `unit`. `near_byte`, `byte` and `far_byte` are of a byte in the first cache, the second and the last,
    `memory_byte` beyond that.

    `steps` are the measured costs of the plan's steps, by number, and `total` that of the inference; without a device
    there are none, and `of` estimates them.
    """

    unit: Unit
    float_mac: float
    binary_mac: float
    near_byte: float
    byte: float
    far_byte: float
    memory_byte: float
    l2_bytes: int
    last_bytes: int
    steps: Mapping[int, float] | None = None
    total: float | None = None

    def of(self, step: Step) -> float:
        """An estimate of a step that was not measured."""
        values = prod(step.shape) * (1 + len(step.stages)) if step.streams else 0
        macs = step.macs_32bit * self.float_mac + step.macs_1bit * self.binary_mac
        moved = work_of(step).bytes_moved
        return macs + moved * self.byte_of(moved) + self.stage(values)

    def byte_of(self, moved: int) -> float:
        """What each byte costs of so many that a step moves: it comes from the cache that holds them."""
        if moved <= self.l2_bytes:
            return self.byte
        return self.far_byte if moved <= self.last_bytes else self.memory_byte

    def stage(self, values: int) -> float:
        """What one stage of a step costs for so many values."""
        return values * _STAGE_BYTES * self.near_byte

    def whole(self, steps: Sequence[Step]) -> float:
        """The same of one inference."""
        return sum(map(self.of, steps)) if self.total is None else self.total


NOMINAL = Rates("MACs", 1.0, 1 / 16, 0.25, 0.5, 1.0, 2.0, 512 * 1024, 4 * 1024**2)
"""A core of no particular kind: 16 binary MACs take as long as one of floats, as do 2 bytes from the second cache of
512 KiB, one from the last of 4 MiB, or half a byte from memory. A binary MAC measured on x86-64 and Cortex-A is 10 to
20 times as fast."""


def measured_rates(steps: Sequence[Step], times_ns: Mapping[int, float], roofs: Roofs) -> Rates:
    """Rates in ns. A MAC costs what it costs in the model's own steps, or else a usual share of the roof.

    `times_ns` are medians by the number of the step. The inference costs their sum: on a busy machine its own median
    holds what other programs took, which few runs of a single step do. A roof that was not measured costs nothing.
    """
    levels = [roofs.read_gb_s.get(level) for level in ("l1", "l2", "llc", "dram")]
    near, byte, far, memory = (1.0 / speed if speed else 0.0 for speed in levels)
    binary = _own(steps, times_ns, "bconv", "bconv_bits")
    floats = _own(steps, times_ns, "conv")
    return Rates(
        "ns",
        float_mac=floats or _at_roof(roofs.fma_gflops),
        binary_mac=binary or _at_roof(roofs.popcount_gops),
        near_byte=near,
        byte=byte,
        far_byte=max(far, byte),
        memory_byte=max(memory, far, byte),
        l2_bytes=roofs.l2_bytes,
        last_bytes=roofs.last_bytes,
        steps=times_ns,
        total=sum(times_ns.values()),
    )


def _own(steps: Sequence[Step], times_ns: Mapping[int, float], *kinds: str) -> float:
    """ns for each MAC of the steps of these kinds; 0 when there are none."""
    chosen = [number for number, step in enumerate(steps) if step.kind in kinds and number in times_ns]
    macs = sum(steps[number].macs_1bit + steps[number].macs_32bit for number in chosen)
    return sum(times_ns[number] for number in chosen) / macs if macs else 0.0


def _at_roof(gops: float | None) -> float:
    return 2 / (_REACHED * gops) if gops else 0.0
