"""The AVX-512 kernels on paper, for machines without: `pytest -p no:xdist -s tests/benchmarks/test_cycle_model.py`."""

from __future__ import annotations

from pathlib import Path

import pytest
from cycle_model import CPU, LLVM_MCA, expected_share, is_available
from timed_engine import CLASSIC, square


@pytest.mark.skipif(not is_available(), reason=f"{LLVM_MCA} is not installed (Debian: llvm-22)")
@pytest.mark.parametrize(
    ("shape", "least"),
    [
        ((112, 32, 32, 3), 0.75),
        *(((size, c, c, 3), 0.90 if c >= 128 else 0.88) for size, c in CLASSIC),
        # Transitions of BinaryDenseNet 28, then of MeliusNet 22, as binary convolutions.
        *(((size, c, oc, 1), 0.5) for size, c, oc in [(28, 448, 160), (14, 544, 192), (7, 576, 256)]),
        *(((size, c, oc, 1), 0.5) for size, c, oc in [(28, 320, 160), (14, 480, 224), (7, 480, 256)]),
    ],
    ids=str,
)
def test_avx512_share_of_the_roof(
    shape: tuple[int, int, int, int], least: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spec = square(*shape)
    share = expected_share("avx512", spec, Path(tmp_path_factory.getbasetemp()))
    print(f"\n{spec.name} avx512: {share:.1%} of the popcount roof on {CPU}, by llvm-mca")
    assert least <= share <= 1.02  # the loop of the roof has a branch of its own
