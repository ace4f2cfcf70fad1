"""What a step does at least: counted by hand, and by marking every place that a window covers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from bnnbench.kernels.models.graph import DType, Tensor
from bnnbench.kernels.models.plan.steps import STAGES, Argument, Stage, Step
from bnnbench.kernels.models.plan.work import STAGE_OPERATIONS, work_of


def f32(name: str, *shape: int) -> Tensor:
    return Tensor(name, shape, "f32")


def window(kernel: int, stride: int = 1, dilation: int = 1, pad: int = 0) -> tuple[int, ...]:
    return (kernel, kernel, stride, stride, dilation, dilation, pad, pad)


def bconv(*stages: Stage) -> Step:
    """14 x 14 x 64 signs, 3 x 3, to 64 channels."""
    x = Tensor("x", (1, 14, 14, 64), "bits")
    constants = (np.zeros((64, 3, 3, 2), np.uint32), np.zeros(64, np.float32), np.zeros(64, np.float32))
    arguments: tuple[Argument, ...] = (x, 14, 14, 64, *window(3, pad=1), 1, 1, -9999, 9999, *constants)
    return Step("bconv", (), arguments, stages, channels=64, macs_1bit=14 * 14 * 64 * 9 * 64)


def test_every_kind_of_stage_has_its_operations() -> None:
    assert STAGE_OPERATIONS.keys() == STAGES.keys()


def test_a_fused_step_counts_its_epilogue() -> None:
    before, after, signs = f32("a", 1, 14, 14, 64), f32("b", 1, 14, 14, 64), Tensor("s", (1, 14, 14, 64), "bits")
    plain = work_of(bconv(Stage("store", (after, 0))))
    fused = work_of(bconv(Stage("add", (before,)), Stage("store", (after, 0)), Stage("store_bits", (signs,))))
    values, image = 14 * 14 * 64, 14 * 14 * 64 * 4
    assert plain.macs_1bit == fused.macs_1bit == values * 9 * 64
    assert (plain.macs_f32, plain.macs_int8) == (0, 0)
    assert plain.operations == 2 * values  # the multiplier and the bias
    assert fused.operations == plain.operations + 2 * values  # the sum, and the comparison with zero
    constants = 64 * 9 * 2 * 4 + 2 * 64 * 4
    assert plain.bytes_read == 14 * 14 * 2 * 4 + constants
    assert fused.bytes_read == plain.bytes_read + image
    assert plain.bytes_written == image
    assert fused.bytes_written == image + 14 * 14 * 2 * 4
    assert fused.bytes_moved == fused.bytes_read + fused.bytes_written


@pytest.mark.parametrize(("dtype", "kind"), [("i8", "macs_int8"), ("f32", "macs_f32")])
def test_products_of_int8_and_of_floats_are_told_apart(dtype: DType, kind: str) -> None:
    x, out = Tensor("x", (1, 4, 4, 8), dtype, 0.5), f32("y", 1, 4, 4, 16)
    weights = np.zeros((16, 1, 1, 8), np.int8 if dtype == "i8" else np.float32)
    step = Step(
        "conv", (), (x, 4, 4, 16, *window(1), 1, weights.itemsize, weights, 0), (Stage("store", (out, 0)),), 16, 0, 2048
    )
    work = work_of(step)
    assert getattr(work, kind) == work.macs_int8 + work.macs_f32 == 2048
    assert work.bytes_read == x.bytes + weights.nbytes


def test_a_part_of_a_tensor_is_all_that_a_read_or_a_store_moves() -> None:
    wide, out = f32("x", 1, 5, 5, 100), f32("y", 1, 5, 5, 300)
    work = work_of(Step("read", (), (wide, 20, 10), (Stage("store", (out, 40)),), channels=10))
    assert (work.bytes_read, work.bytes_written) == (5 * 5 * 10 * 4, 5 * 5 * 10 * 4)
    assert work.operations == 0


def test_a_tensor_that_is_input_and_operand_is_read_once() -> None:
    x, out = f32("x", 1, 3, 3, 8), f32("y", 1, 3, 3, 8)
    work = work_of(Step("read", (), (x, 0, 8), (Stage("add", (x,)), Stage("store", (out, 0))), channels=8))
    assert work.bytes_read == x.bytes


@pytest.mark.parametrize(("fills", "written"), [(0, "x"), (1, "out")])
def test_placing_writes_what_it_fills(fills: int, written: str) -> None:
    tensors = {"x": f32("x", 1, 4, 4, 8), "out": f32("y", 1, 6, 6, 8)}
    work = work_of(Step("place", (), (tensors["x"], tensors["out"], 0, 1, 1, 0, fills, 0)))
    assert work.bytes_read == tensors["x"].bytes
    assert work.bytes_written == tensors[written].bytes


def test_a_constant_is_read_and_written() -> None:
    out = f32("y", 2, 3)
    work = work_of(Step("constant", (), (out, out, np.zeros(6, np.float32))))
    assert (work.bytes_read, work.bytes_written) == (24, 24)


def test_windows_read_the_pixels_that_they_cover() -> None:
    rng = np.random.default_rng(19)
    for _ in range(200):
        size, kernel, stride, dilation = (int(rng.integers(1, most, endpoint=True)) for most in (9, 4, 5, 3))
        pad, out = int(rng.integers(3)), int(rng.integers(1, 5))
        marked = np.zeros((size, size), bool)
        for row, column, ky, kx in product(range(out), range(out), range(kernel), range(kernel)):
            y, x = row * stride + ky * dilation - pad, column * stride + kx * dilation - pad
            if 0 <= y < size and 0 <= x < size:
                marked[y, x] = True
        image, to = f32("x", 1, size, size, 3), f32("y", 1, out, out, 3)
        arguments = (image, out, out, *window(kernel, stride, dilation, pad), 0)
        work = work_of(Step("pool", (), arguments, (Stage("store", (to, 0)),), channels=3))
        assert work.bytes_read == marked.sum() * 3 * 4
        assert work.operations == out * out * 3 * kernel * kernel
