"""Quantized tensors of a file: their scales and zero points, each checked, and what is said of those that cannot be
imported."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ..model import TensorRef
from .constants import Constants

UNKNOWN: Mapping[str, str] = {
    "uint8": "it computes with uint8, as models quantized by TensorFlow 1 do; convert the model again, to int8 (its "
    "inputs and outputs may be uint8).",
    "int16": "it computes with int16 activations, which are not supported; convert the model to int8 or float32.",
    "int4": "its weights are int4, which are not supported; convert the model with int8 weights.",
}
"""dtype -> what to say of an op that has it where nothing can be done with it."""


def quantization_of(ref: TensorRef, role: str) -> tuple[float, int]:
    """The one scale and zero point of an int8 or uint8 tensor."""
    found = ref.quantization
    if found is None or len(found.scales) != 1 or len(found.zero_points) != 1:
        raise ModelError(f"its {role} is {ref.dtype} without one scale and one zero point.")
    scale, zero_point = float(found.scales[0]), int(found.zero_points[0])
    least = 0 if ref.dtype == "uint8" else -128
    if not (isfinite(scale) and 1e-30 < scale < 1e30) or not least <= zero_point <= least + 255:
        raise ModelError(f"its {role} has scale {scale:g} and zero point {zero_point}.")
    return scale, zero_point


def real_numbers(ref: TensorRef, stored: NDArray[Any], constants: Constants) -> NDArray[np.float32]:
    """What int8 or uint8 constants stand for; scales for all of them or for each slice along an axis."""
    found = ref.quantization
    if found is None or len(found.scales) != len(found.zero_points):
        raise ModelError(f"its input is {ref.dtype} without a zero point for each scale.")
    constants.charge(found.scales.nbytes + found.zero_points.nbytes)
    _check_scales(found.scales, "constants")
    shape = [1] * stored.ndim
    if len(found.scales) > 1:
        if not 0 <= found.axis < stored.ndim or len(found.scales) != stored.shape[found.axis]:
            raise ModelError(
                f"its input has {len(found.scales)} scales along axis {found.axis} of {list(stored.shape)}."
            )
        shape[found.axis] = -1
    limits = np.iinfo(stored.dtype)
    if not ((found.zero_points >= limits.min) & (found.zero_points <= limits.max)).all():
        raise ModelError(f"its input has zero points beyond {ref.dtype}.")
    steps = stored.astype(np.int32) - found.zero_points.astype(np.int32).reshape(shape)
    return steps.astype(np.float32) * found.scales.reshape(shape).astype(np.float32)


def weight_scales(ref: TensorRef, count: int, axis: int, constants: Constants) -> NDArray[np.float32]:
    """Scales of int8 weights, one for each of `count` output channels along `axis`; they must be symmetric."""
    found = ref.quantization
    if found is None or len(found.scales) not in (1, count):
        raise ModelError("its int8 weights have no scale for each output channel.")
    if len(found.scales) > 1 and found.axis != axis:
        raise ModelError(f"its int8 weights have scales along axis {found.axis}, not {axis}.")
    constants.charge(found.scales.nbytes + found.zero_points.nbytes)
    _check_scales(found.scales, "weights")
    if found.zero_points.any():
        raise ModelError("its int8 weights have zero points other than 0.")
    return np.broadcast_to(found.scales.astype(np.float32), (count,))


def check_bias_scales(ref: TensorRef, products: NDArray[np.float64], output_scale: float) -> None:
    """An int32 bias counts steps of input scale x weight scale; TensorFlow Lite's own tolerance."""
    found = ref.quantization
    if found is None:
        return
    if len(found.scales) not in (1, len(products)) or found.zero_points.any():
        raise ModelError("its bias has other than one scale for each output channel, or zero points other than 0.")
    with np.errstate(invalid="ignore"):  # NaN is refused, not warned of
        agree = (np.abs(found.scales - products) <= 0.02 * output_scale).all()
    if not agree:
        raise ModelError("its bias has other scales than its input and weights say.")


def _check_scales(scales: NDArray[np.float32], role: str) -> None:
    if not ((scales > 1e-30) & (scales < 1e30)).all():  # NaN is neither
        raise ModelError(f"its {role} have scales that are zero, negative, or no numbers.")
