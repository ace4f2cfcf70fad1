"""Packing: the layout, bit by bit, and there and back for any shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from bnnbench.kernels.packing import pack, unpack, words


@pytest.mark.parametrize(("channels", "expected"), [(1, 1), (31, 1), (32, 1), (33, 2), (64, 2), (70, 3)])
def test_words(channels: int, expected: int) -> None:
    assert words(channels) == expected


def test_channel_0_is_the_lowest_bit_and_minus_is_1() -> None:
    signs = np.ones(40, np.int8)
    signs[[0, 31, 33]] = -1
    assert pack(signs).tolist() == [0x80000001, 0b10]


def test_zero_negative_zero_and_nan_are_plus() -> None:
    smallest = np.finfo(np.float32).smallest_subnormal
    assert pack(np.array([0.0, -0.0, np.nan, smallest, -smallest], np.float32)).tolist() == [0b10000]


@given(npst.arrays(np.int8, npst.array_shapes(max_dims=3, max_side=70), elements=st.sampled_from([-1, 1])))
def test_there_and_back(signs: np.ndarray) -> None:
    packed = pack(signs)
    assert packed.dtype == np.uint32
    assert packed.shape == (*signs.shape[:-1], words(signs.shape[-1]))
    assert np.array_equal(unpack(packed, signs.shape[-1]), signs)


@given(npst.arrays(np.float32, npst.array_shapes(max_dims=2, max_side=70)))
def test_every_float_packs_as_python_compares_it(x: np.ndarray) -> None:
    packed = pack(x)
    for index in np.ndindex(x.shape):
        word = int(packed[(*index[:-1], index[-1] // 32)])
        assert word >> index[-1] % 32 & 1 == (float(x[index]) < 0)


@given(st.integers(1, 100), st.integers(1, 5))
def test_unused_bits_are_zero(channels: int, rows: int) -> None:
    packed = pack(np.full((rows, channels), -1))
    assert sum(int(word).bit_count() for word in packed.ravel()) == rows * channels


def test_unpack_refuses_the_wrong_number_of_words() -> None:
    with pytest.raises(ValueError, match="33 channels take 2 words, not 3"):
        unpack(np.zeros((4, 3), np.uint32), 33)
