"""Quantized tensors of a file: their one scale and zero point, and what is said of those that cannot be imported."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from ...errors import ModelError
from ..model import TensorRef

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
