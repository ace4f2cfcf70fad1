"""The AVX-512 kernels on paper, for machines without: `pytest -m speed tests/benchmarks/test_cycle_model.py`."""

from __future__ import annotations

from pathlib import Path

import pytest
from cycle_model import CPU, LLVM_MCA, expected_share, is_available
from test_bconv2d import AVX512_SHARE, SHAPES

from bnnbench.kernels.ops import BConv2d

pytestmark = pytest.mark.speed


@pytest.mark.skipif(not is_available(), reason=f"{LLVM_MCA} is not installed (Debian: llvm-22)")
@pytest.mark.parametrize("spec", SHAPES, ids=lambda spec: spec.name)
def test_avx512_share_of_the_roof(spec: BConv2d, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = Path(tmp_path_factory.getbasetemp())
    share = expected_share("avx512", spec, folder)
    print(f"\n{spec.name} avx512: {share:.1%} of the popcount roof on {CPU}, by llvm-mca")
    assert share >= AVX512_SHARE
