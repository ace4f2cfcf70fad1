"""int8 tensors of ONNX models: what is computed is f32, and its halves are stored to even.

Source: ONNX's definitions of QuantizeLinear, `saturate(round(x / scale) + zero_point)` with halves to even, and of
DequantizeLinear, `(stored - zero_point) * scale`. Sums of products are exact here, and become f32 once; what is
computed of them is rounded to f32 by each operation, in the order in which it stands here.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .operations import Clamp
from .quantization import dequantize

TableKind = Literal["abs", "logistic", "clamp", "rescale"]


def to_even(values: NDArray[Any], scale: float, zero_point: int) -> NDArray[np.int8]:
    """f32 to i8 with halves to even, saturated. What is no number is stored as the zero point."""
    with np.errstate(all="ignore"):
        return stored_steps(values.astype(np.float32) / np.float32(scale), zero_point)


def stored_steps(steps: NDArray[np.float32], zero_point: int) -> NDArray[np.int8]:
    """f32 steps from the zero point to i8."""
    whole = np.rint(np.nan_to_num(steps.astype(np.float64), posinf=1e9, neginf=-1e9))
    return np.asarray(np.clip(whole + zero_point, -128, 127), np.int8)


def product_scales(input_scale: float, weight_scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """f32[oc]: what one step of a sum of products stands for."""
    return np.float32(input_scale) * weight_scales.astype(np.float32)


def average_ratio(input_scale: float, output_scale: float) -> np.float32:
    """Steps of an average's output in one step of its input."""
    return np.float32(np.float32(input_scale) / np.float32(output_scale))


def average_steps(sums: NDArray[Any], counts: Any, ratio: np.float32) -> NDArray[np.float32]:
    """Sums of `counts` values, in steps of the input, to averages in steps of the output, not rounded yet."""
    return np.asarray(sums.astype(np.float32) * ratio / np.asarray(counts, np.float32))


def table(kind: TableKind, clamp: Clamp, x: tuple[float, int], out: tuple[float, int]) -> NDArray[np.int8]:
    """i8[256]: a function of every stored value from -128 on. `x` and `out` are (scale, zero point)."""
    real = dequantize(np.arange(-128, 128).astype(np.int8), *x)
    if kind == "abs":
        real = np.abs(real)
    elif kind == "logistic":
        real = (1.0 / (1.0 + np.exp(-real.astype(np.float64)))).astype(np.float32)
    elif kind == "clamp":
        real = np.clip(real, np.float32(clamp.low), np.float32(clamp.high))
    return to_even(real, *out)
