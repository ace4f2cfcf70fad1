"""The least time that a device's roofs leave to a step of a plan.

    roof = max(arithmetic, bytes)
    arithmetic = products of 1 bit / popcount roof + int8 products / int8 roof + f32 products and operations / f32 roof
    bytes = bytes read and written once / read bandwidth of the nearest level of memory that holds them

The kinds of arithmetic add up, because they share the vector units; loads and stores run beside them, so of arithmetic
and bytes only the longer counts. Every term is a lower bound, see `kernels/models/plan/work.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from bnnbench.kernels.engines.replies import Peaks
from bnnbench.kernels.models.plan.work import Work

from .caches import Caches


@dataclass(frozen=True, slots=True)
class StepRoof:
    """`ns` is the roof, and `name` what most of it is: popcount, int8, f32, or the level of memory. `parts_ns` are all
    terms by these names, also those that do not bind."""

    ns: float
    name: str
    parts_ns: dict[str, float]


def step_roof(work: Work, peaks: Peaks, caches: Caches) -> StepRoof | None:
    """None where no roof was measured that binds the step."""
    products = {
        "popcount": (2 * work.macs_1bit, peaks.popcount_gops),
        "int8": (2 * work.macs_int8, peaks.int8_gops),
        "f32": (2 * work.macs_f32 + work.operations, peaks.fma_gflops),
    }
    arithmetic = {name: amount / rate for name, (amount, rate) in products.items() if amount and rate}
    moved, level = work.bytes_moved, caches.level_of(work.bytes_moved)
    speed = (peaks.read_gb_s or {}).get(level)
    memory = {level: moved / speed} if moved and speed else {}
    if not arithmetic and not memory:
        return None
    computes, moves = sum(arithmetic.values()), sum(memory.values())
    binding = arithmetic if computes >= moves else memory
    return StepRoof(max(computes, moves), max(binding, key=lambda name: binding[name]), {**arithmetic, **memory})
