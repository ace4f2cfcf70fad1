"""Cycles of the Arm kernels' loops by llvm-mca: `pytest -m speed -s tests/benchmarks/test_arm_cycles.py`.

LLVM's models of A72 and A76 are the A57's; neoverse-n1 stands for the A76.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from arm_loops import COUNT, counting_loops
from cycle_model import LLVM_MCA, is_available

pytestmark = [
    pytest.mark.speed,
    pytest.mark.skipif(not is_available(), reason=f"{LLVM_MCA} is not installed (Debian: llvm-22)"),
]
_ITERATIONS = 100


@pytest.mark.parametrize(
    ("isa", "cpu"),
    [("neon", "cortex-a53"), ("neon", "cortex-a72"), ("neon", "neoverse-n1"), ("dotprod", "neoverse-n1")],
)
def test_cycles_per_product(isa: str, cpu: str, tmp_path: Path) -> None:
    for loop in counting_loops(isa, tmp_path):
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
        cycles = int(total[1]) / _ITERATIONS / loop.count(COUNT)
        print(f"\n{isa} on {cpu}: {cycles:.2f} cycles per 128-bit product")
        assert cycles > 1.5  # three vector instructions, two a cycle
