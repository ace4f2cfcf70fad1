"""Cycles of the Arm kernels by llvm-mca: `pytest -p no:xdist -s tests/benchmarks/test_arm_cycles.py`.

LLVM's models of A72 and A76 are the A57's; neoverse-n1 stands for the A76. LCE's figures are those of the loops of its
hand-written kernels (8x4x4 for channels in multiples of 128, 8x4x2 for 64, 8x4x1 for 32) by the same models; there are
none for the A55. Branches are left out of all of them, ours here count the work between two segments, too.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from arm_loops import COUNT, counting_loops, segment
from cycle_model import LLVM_MCA, cycles, is_available

from bnnbench.kernels.targets import ISA_LEVELS, IsaLevel

pytestmark = pytest.mark.skipif(not is_available(), reason=f"{LLVM_MCA} is not installed (Debian: llvm-22)")
_ITERATIONS = 100
MOST = {"cortex-a53": 3.6, "cortex-a72": 1.56, "neoverse-n1": 1.56, "cortex-a55": 4.15}
"""Cycles that a product may take in the innermost loop: within 4 % of LCE's on the cores that run out of order. By port
pressure the least is 3 vector instructions, two a cycle: 1.50; turning words takes 0.094 instructions more, 1.547. For
the A53, which runs one a cycle in order, LLVM adds a cycle for each vector that is loaded: 3.094 + 0.281 = 3.375."""
LCE = {
    ("cortex-a53", 128): 4.16,
    ("cortex-a72", 128): 1.50,
    ("neoverse-n1", 128): 1.50,
    ("cortex-a53", 64): 5.50,
    ("neoverse-n1", 64): 1.81,
    ("cortex-a53", 32): 7.13,
    ("neoverse-n1", 32): 2.00,
}
PAIRS = [("neon", "cortex-a53"), ("neon", "cortex-a72"), ("neon", "neoverse-n1")]
PAIRS += [("dotprod", "neoverse-n1"), ("dotprod", "cortex-a55")]


def level_of(isa: str) -> IsaLevel:
    return next(one for one in ISA_LEVELS if one.isa == isa and one.triple.startswith("aarch64"))


def cycles_per_product(instructions: str, cpu: str) -> float:
    found = cycles(instructions, "aarch64", cpu, _ITERATIONS) / len(COUNT.findall(instructions))
    assert found > 1.5  # three vector instructions, two a cycle
    return found


@pytest.mark.parametrize(("isa", "cpu"), PAIRS)
def test_loops(isa: str, cpu: str, tmp_path: Path) -> None:
    lce = LCE.get((cpu, 128))
    for loop in counting_loops(level_of(isa), tmp_path):
        found = cycles_per_product(loop, cpu)
        print(f"\n{isa} on {cpu}: {found:.2f} cycles per 128-bit product (LCE: {lce or 'unknown'})")
        assert found <= MOST[cpu]


@pytest.mark.parametrize(("cpu", "most"), [("cortex-a9", 4.25), ("cortex-a57", 1.8), ("cortex-r52", 5.5)])
def test_loops_of_32_bits(cpu: str, most: float, tmp_path: Path) -> None:
    """LLVM has no model of the A7; of these the R52 runs in order like it. With vectors kept on the stack the loop took
    4.94, 2.01 and 7.88 cycles."""
    level = next(one for one in ISA_LEVELS if one.triple.startswith("arm"))
    for loop in counting_loops(level, tmp_path):
        found = cycles(f".fpu neon\n{loop}", "armv7-linux-gnueabihf", cpu, _ITERATIONS) / len(COUNT.findall(loop))
        print(f"\n32-bit neon on {cpu}: {found:.2f} cycles per 128-bit product")
        assert found <= most


@pytest.mark.parametrize(("isa", "cpu"), PAIRS)
@pytest.mark.parametrize("channels", [32, 64])
def test_few_channels(isa: str, cpu: str, channels: int, tmp_path: Path) -> None:
    """A row of a 3x3 window, with what it takes to get there: better than LCE's, which have a loop for each."""
    found = cycles_per_product(segment(level_of(isa), 3 * channels // 32, tmp_path), cpu)
    lce = LCE.get((cpu, channels))
    print(f"\n{isa} on {cpu}, {channels} channels: {found:.2f} cycles per 128-bit product (LCE: {lce or 'unknown'})")
    assert lce is None or found < lce
