"""Op specifications: shapes, counts, names, the protocol's keys, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bnnbench.kernels.data import data_bytes, make_data
from bnnbench.kernels.errors import KernelError
from bnnbench.kernels.ops import NUMPY_DTYPE, SPECS, BConv2d, BGemm, BitPack, BMaxPool2d, KernelSpec
from bnnbench.kernels.window import extent, out_size, pad_before

from .sweep import sweep

QUICKNET = BConv2d(h=56, w=56, c=64, oc=64, kh=3, kw=3)
SIZES = st.integers(1, 40)


def conv(**changes: Any) -> BConv2d:
    return BConv2d(**{"h": 8, "w": 8, "c": 64, "oc": 8, "kh": 3, "kw": 3} | changes)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        (QUICKNET, "bconv2d 56x56x64->64 3x3"),
        (conv(sh=2, sw=2, out="f32", act="relu"), "bconv2d 8x8x64->8 3x3 s2 relu f32"),
        (
            conv(n=2, sw=2, dh=3, groups=2, pad="valid", pad_value=0, kh=1, out="bits"),
            "bconv2d 8x8x64->8 1x3 n2 s1x2 d3x1 g2 valid pad0 bits",
        ),
        (BGemm(m=1, n=2, k=70), "bgemm 1x2x70"),
        (BGemm(m=1, n=2, k=70, out="f32"), "bgemm 1x2x70 f32"),
        (BitPack(n=3, c=33), "bitpack 3x33"),
        (BitPack(n=3, c=33, dtype="i8", zero_point=-4), "bitpack 3x33 i8 z-4"),
        (BMaxPool2d(h=8, w=6, c=32, kh=2, kw=2, sh=2, sw=2), "bmaxpool2d 8x6x32 2x2 s2"),
        (BMaxPool2d(n=2, h=8, w=6, c=32, kh=2, kw=3, pad="same"), "bmaxpool2d 8x6x32 2x3 n2 same"),
    ],
)
def test_name(spec: KernelSpec, name: str) -> None:
    assert spec.name == name


def test_names_in_the_sweep_differ() -> None:
    cases = sweep()
    assert len({spec.name for spec in cases}) == len(cases) >= 300
    assert {type(spec) for spec in cases} == set(SPECS.values())


def test_counts() -> None:
    assert QUICKNET.macs_1bit == 56 * 56 * 64 * 3 * 3 * 64 == 115_605_504
    assert QUICKNET.bytes_moved == 56 * 56 * 2 * 4 + 64 * 9 * 2 * 4 + 56 * 56 * 64 * 4
    assert conv(groups=2).macs_1bit == conv().macs_1bit // 2
    assert BGemm(m=2, n=3, k=70).macs_1bit == 420
    assert BGemm(m=2, n=3, k=70).bytes_moved == (2 + 3) * 3 * 4 + 6 * 4
    assert BitPack(n=2, c=33, dtype="i8").bytes_moved == 66 + 16
    assert {QUICKNET.macs_32bit, BitPack(n=2, c=33).macs_1bit, BitPack(n=2, c=33).macs_32bit} == {0}


def test_protocol_items_are_the_protocols_keys() -> None:
    assert conv(out="f32").protocol_items() == {
        "op": "bconv2d",
        "n": "1",
        "h": "8",
        "w": "8",
        "c": "64",
        "oc": "8",
        "kh": "3",
        "kw": "3",
        "sh": "1",
        "sw": "1",
        "dh": "1",
        "dw": "1",
        "groups": "1",
        "pad": "same",
        "pad_value": "1",
        "act": "none",
        "out": "f32",
    }
    assert list(BGemm(m=1, n=2, k=3).protocol_items()) == ["op", "m", "n", "k", "out"]
    assert list(BitPack(n=1, c=2).protocol_items()) == ["op", "n", "c", "dtype", "zero_point"]
    pool = BMaxPool2d(h=4, w=4, c=1, kh=2, kw=2).protocol_items()
    assert list(pool) == ["op", "n", "h", "w", "c", "kh", "kw", "sh", "sw", "pad"]


@pytest.mark.parametrize("spec", sweep()[::17], ids=lambda spec: spec.name)
def test_data_follows_inputs_and_is_the_same_for_a_seed(spec: KernelSpec) -> None:
    arrays = make_data(spec, 7)
    listed = [(array.name, np.dtype(NUMPY_DTYPE[array.dtype]), array.shape) for array in spec.inputs()]
    assert [(name, array.dtype, array.shape) for name, array in arrays.items()] == listed
    raw = data_bytes(arrays)
    assert raw == data_bytes(make_data(spec, 7))
    position = 0
    for array in arrays.values():
        part = np.frombuffer(raw, array.dtype, array.size, position)
        assert np.array_equal(part.reshape(array.shape), array)
        position += part.nbytes
    assert position == len(raw)


def test_another_seed_gives_other_data() -> None:
    assert data_bytes(make_data(QUICKNET, 1)) != data_bytes(make_data(QUICKNET, 2))


def test_random_bits_leave_the_tail_zero() -> None:
    arrays = make_data(conv(c=33), 3)
    assert np.all(arrays["x"][..., -1] <= 1)
    assert np.all(arrays["filter"][..., -1] <= 1)
    assert 0 < arrays["x"][..., -1].sum() < 64


@given(SIZES, SIZES, st.integers(1, 6), st.integers(1, 5))
def test_same_padding_as_tensorflow_defines_it(size: int, kernel: int, stride: int, dilation: int) -> None:
    windows = out_size(size, kernel, stride, dilation, "same")
    before = pad_before(size, kernel, stride, dilation, "same")
    assert windows == -(-size // stride)
    # The last window must end within the padding behind, which is as large or one larger than that before.
    reach = (windows - 1) * stride + extent(kernel, dilation)
    after = max(reach - size, 0) - before
    assert after - before in (0, 1)


@given(SIZES, SIZES, st.integers(1, 6), st.integers(1, 5))
def test_valid_windows_lie_inside_and_one_more_would_not(size: int, kernel: int, stride: int, dilation: int) -> None:
    windows = out_size(size, kernel, stride, dilation, "valid")
    assume(windows >= 1)
    assert (windows - 1) * stride + extent(kernel, dilation) <= size < windows * stride + extent(kernel, dilation)
    assert pad_before(size, kernel, stride, dilation, "valid") == 0


REFUSED: list[tuple[Callable[[], KernelSpec], str]] = [
    (lambda: conv(h=0), "h=0 is not an integer from 1"),
    (lambda: conv(sw=-1), "sw=-1"),
    (lambda: conv(c=2.0), "c=2.0"),
    (lambda: conv(c=True), "c=True"),
    (lambda: conv(dh=2**40), "dh="),
    (lambda: conv(pad="full"), "pad='full' is not one of same, valid"),
    (lambda: conv(pad_value=2), "pad_value=2 is not one of 0, 1"),
    (lambda: conv(pad_value=True), "pad_value=True"),
    (lambda: conv(act="gelu"), "act='gelu'"),
    (lambda: conv(out="f16"), "out='f16'"),
    (lambda: conv(act="relu", out="bits"), "act=relu does nothing for out=bits"),
    (lambda: conv(groups=4), "multiple of 32 channels per group"),
    (lambda: conv(c=96, groups=2), "multiple of 32 channels per group"),
    (lambda: conv(groups=2, oc=7), "oc=7 does not divide into groups=2"),
    (lambda: conv(h=2, pad="valid"), "window does not fit 2x8"),
    (lambda: conv(h=40_000, w=40_000), "array x takes more than 2 GiB"),
    (lambda: conv(h=10_000, w=10_000, c=1, oc=64), "array out takes more than 2 GiB"),
    (lambda: BGemm(m=1, n=1, k=2**31), "k=2147483648"),
    (lambda: conv(h=1, w=1, kh=2**14, kw=2**14, c=32), "dot product of 8589934592 bits"),
    (lambda: BGemm(m=1, n=1, k=1, out="bits"), "out='bits'"),  # type: ignore[arg-type]
    (lambda: BitPack(n=1, c=1, zero_point=1), "zero_point=1 needs dtype=i8"),
    (lambda: BitPack(n=1, c=1, dtype="i8", zero_point=128), "zero_point=128 is not an integer in -128..127"),
    (lambda: BMaxPool2d(h=2, w=2, c=1, kh=3, kw=1), "window does not fit"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_refused_in_one_sentence(make: Callable[[], KernelSpec], message: str) -> None:
    with pytest.raises(KernelError) as caught:
        make()
    assert message in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@settings(max_examples=300)
@given(
    st.fixed_dictionaries(
        {key: st.integers(-1, 70) for key in ["h", "w", "c", "oc", "kh", "kw", "sh", "sw", "dh", "dw", "groups"]}
    ),
    st.sampled_from(["same", "valid"]),
    st.sampled_from(["i32", "f32", "bits"]),
)
def test_any_sizes_make_a_consistent_spec_or_one_error(sizes: dict[str, int], pad: Any, out: Any) -> None:
    try:
        spec = BConv2d(**sizes, pad=pad, out=out)
    except KernelError:
        return
    assert min(spec.output.shape) >= 1
    assert spec.bytes_moved > 0
    assert spec.macs_1bit >= 1
