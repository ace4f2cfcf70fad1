"""The reference kernels equal the NumPy oracle bit for bit, in CPython and under the JIT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnbench.kernels.data import make_data
from bnnbench.kernels.ops import NUMPY_DTYPE, BConv2d, BGemm, BitPack, KernelSpec
from bnnbench.kernels.packing import pack, unpack
from bnnbench.kernels.reference import oracle
from bnnbench.kernels.reference.popcount import popcount
from bnnbench.kernels.reference.run import jit, run_jit, run_python

from .sweep import sweep

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[KernelSpec, Arrays], NDArray[Any]]
RUNS = pytest.mark.parametrize("run", [run_python, run_jit])
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


def assert_equal(spec: KernelSpec, arrays: Arrays, run: Run) -> None:
    expected, output = oracle.run(spec, arrays), run(spec, arrays)
    assert (output.dtype, output.shape) == (np.dtype(NUMPY_DTYPE[spec.output.dtype]), spec.output.shape)
    assert (expected.dtype, expected.shape) == (output.dtype, output.shape)
    # Bits, not values: NaN and -0.0 count too.
    assert output.tobytes() == expected.tobytes()


@RUNS
@pytest.mark.parametrize("spec", sweep(), ids=lambda spec: spec.name)
def test_sweep(spec: KernelSpec, run: Run) -> None:
    assert_equal(spec, make_data(spec, 1), run)


def test_popcount() -> None:
    def count(word: Any) -> int:
        return popcount(word)

    for word in [
        np.uint32(0),
        np.uint32(1),
        np.uint32(0x80000000),
        np.uint32(0xFFFFFFFF),
        np.uint64(2**64 - 1),
    ]:
        assert popcount(word) == jit(count)(word) == bin(word).count("1")


@RUNS
def test_a_dot_product_written_out(run: Run) -> None:
    a, b = np.array([[1, -1, -1, 1, 1]]), np.array([[1, 1, -1, -1, 1], [-1, -1, -1, -1, -1]])
    arrays = {"a": pack(a), "b": pack(b)}
    assert run(BGemm(m=1, n=2, k=5), arrays).tolist() == [[1, -1]]


@RUNS
@pytest.mark.parametrize(("pad_value", "corner"), [(0, 4), (1, 9)])
def test_padding_written_out(pad_value: int, corner: int, run: Run) -> None:
    spec = BConv2d(h=3, w=3, c=1, oc=1, kh=3, kw=3, pad_value=pad_value)
    arrays = {"x": np.zeros((1, 3, 3, 1), np.uint32), "filter": np.zeros((1, 3, 3, 1), np.uint32)}
    output = run(spec, arrays)[0, :, :, 0]
    assert output[0, 0] == corner
    assert output[1, 1] == 9


@RUNS
@pytest.mark.parametrize("pad_value", [0, 1])
def test_thresholds_at_the_ends_of_int32_are_always_and_never(pad_value: int, run: Run) -> None:
    spec = BConv2d(h=4, w=4, c=33, oc=6, kh=3, kw=3, pad_value=pad_value, out="bits")
    arrays = make_data(spec, 5)
    middle = int(arrays["threshold"][0])
    arrays["threshold"][:] = [INT32_MIN, INT32_MAX, INT32_MIN + 1, INT32_MAX - 1, -1, middle]
    assert_equal(spec, arrays, run)
    signs = unpack(run(spec, arrays), 6)
    assert np.all(signs[..., [0, 2, 4]] == -1)
    assert np.all(signs[..., [1, 3]] == 1)


@RUNS
def test_threshold_equality_is_plus(run: Run) -> None:
    # One channel, one tap, the signs differ: exactly 1 differing bit, so only a threshold below 1 gives -1.
    spec = BConv2d(h=1, w=1, c=1, oc=3, kh=1, kw=1, out="bits")
    arrays = {
        "x": np.ones((1, 1, 1, 1), np.uint32),
        "filter": np.zeros((3, 1, 1, 1), np.uint32),
        "threshold": np.array([0, 1, 2], np.int32),
    }
    assert unpack(run(spec, arrays), 3).ravel().tolist() == [-1, 1, 1]


@RUNS
@pytest.mark.parametrize("act", ["none", "relu", "relu6", "relu_n1_to_1"])
@pytest.mark.parametrize("out", ["i32", "f32"])
def test_activation_clamps_before_the_multiplier(act: Any, out: Any, run: Run) -> None:
    spec = BConv2d(h=5, w=5, c=64, oc=9, kh=3, kw=3, act=act, out=out)
    arrays = make_data(spec, 2)
    if out == "f32":
        arrays["multiplier"][:3] = [-1.5, 0.0, 1e30]
    assert_equal(spec, arrays, run)


@RUNS
def test_scale_and_bias_round_twice(run: Run) -> None:
    """A fused multiply-add would give another last bit for some of these."""
    spec = BGemm(m=64, n=64, k=999, out="f32")
    arrays = make_data(spec, 3)
    dot = oracle.run(BGemm(m=64, n=64, k=999), arrays)
    fused = (dot.astype(np.float64) * arrays["multiplier"] + arrays["bias"]).astype(np.float32)
    assert not np.array_equal(fused, oracle.run(spec, arrays))
    assert_equal(spec, arrays, run)


@RUNS
def test_bitpack_of_special_floats(run: Run) -> None:
    tiny = np.finfo(np.float32).smallest_subnormal
    x = np.array([[0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, tiny, -tiny, -1e-45]], np.float32)
    spec = BitPack(n=1, c=x.shape[1])
    assert_equal(spec, {"x": x}, run)
    assert unpack(run(spec, {"x": x}), 9).ravel().tolist() == [1, 1, 1, 1, 1, -1, 1, -1, -1]


@RUNS
@pytest.mark.parametrize("zero_point", [-128, -1, 0, 127])
def test_bitpack_of_every_int8(zero_point: int, run: Run) -> None:
    x = np.arange(-128, 128, dtype=np.int8).reshape(1, -1)
    spec = BitPack(n=1, c=256, dtype="i8", zero_point=zero_point)
    assert_equal(spec, {"x": x}, run)
    assert np.array_equal(run(spec, {"x": x}), pack(x.astype(np.int32) - zero_point))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_jit_equals_oracle_on_any_convolution(data: st.DataObject) -> None:
    draw = data.draw
    groups = draw(st.integers(1, 3))
    pad = draw(st.sampled_from(["same", "valid"]))
    dh, dw, kh, kw = (draw(st.integers(1, 3)) for _ in range(4))
    out = draw(st.sampled_from(["i32", "f32", "bits"]))
    spec = BConv2d(
        n=draw(st.integers(1, 2)),
        h=draw(st.integers((kh - 1) * dh + 1 if pad == "valid" else 1, 12)),
        w=draw(st.integers((kw - 1) * dw + 1 if pad == "valid" else 1, 12)),
        c=32 * groups if groups > 1 else draw(st.integers(1, 70)),
        oc=groups * draw(st.integers(1, 12)),
        kh=kh,
        kw=kw,
        sh=draw(st.integers(1, 3)),
        sw=draw(st.integers(1, 3)),
        dh=dh,
        dw=dw,
        groups=groups,
        pad=pad,
        pad_value=draw(st.integers(0, 1)),
        act=draw(st.sampled_from(["none", "relu", "relu6", "relu_n1_to_1"])) if out != "bits" else "none",
        out=out,
    )
    assert_equal(spec, make_data(spec, draw(st.integers(0, 2**32))), run_jit)
