"""How the values of tensors are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .graph import DType, Tensor

STORED: Mapping[DType, type[np.generic]] = {
    "f32": np.float32,
    "i8": np.int8,
    "u8": np.uint8,
    "i32": np.int32,
    "bits": np.uint32,
}


def scale_of(tensor: Tensor) -> float:
    """The scale that every 8-bit tensor has."""
    assert tensor.scale is not None, tensor.name
    return tensor.scale


def limits_of(tensor: Tensor) -> tuple[int, int]:
    """The smallest and the largest stored value of an 8-bit tensor."""
    return (0, 255) if tensor.dtype == "u8" else (-128, 127)


def is_8_bit(array: np.ndarray[Any, Any]) -> bool:
    """Whether these are stored values of an 8-bit tensor."""
    return array.dtype in (np.int8, np.uint8)
