"""Cycles of the Arm kernels' loops by llvm-mca: `pytest -p no:xdist -s tests/benchmarks/test_arm_cycles.py`.

LLVM's models of A72 and A76 are the A57's; neoverse-n1 stands for the A76. LCE's figure is that of its hand-written
kernel for channels in multiples of 128, by the same models; there is none for the A55.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from arm_loops import COUNT, counting_loops
from cycle_model import LLVM_MCA, is_available

from bnnbench.kernels.targets import ISA_LEVELS

pytestmark = pytest.mark.skipif(not is_available(), reason=f"{LLVM_MCA} is not installed (Debian: llvm-22)")
_ITERATIONS = 100
_WITHIN = 1.10


@pytest.mark.parametrize(
    ("isa", "cpu", "lce"),
    [
        ("neon", "cortex-a53", 4.16),
        ("neon", "cortex-a72", 1.50),
        ("neon", "neoverse-n1", 1.50),
        ("dotprod", "neoverse-n1", 1.50),
        ("dotprod", "cortex-a55", None),
    ],
)
def test_cycles_per_product(isa: str, cpu: str, lce: float | None, tmp_path: Path) -> None:
    level = next(one for one in ISA_LEVELS if one.isa == isa and one.triple.startswith("aarch64"))
    for loop in counting_loops(level, tmp_path):
        done = subprocess.run(
            [LLVM_MCA, "-mtriple=aarch64", f"-mcpu={cpu}", f"-iterations={_ITERATIONS}"],
            input=loop,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        total = re.search(r"Total Cycles:\s+(\d+)", done.stdout)
        assert total is not None
        cycles = int(total[1]) / _ITERATIONS / len(COUNT.findall(loop))
        print(f"\n{isa} on {cpu}: {cycles:.2f} cycles per 128-bit product (LCE: {lce or 'unknown'})")
        assert cycles > 1.5  # three vector instructions, two a cycle
        assert lce is None or cycles <= _WITHIN * lce
