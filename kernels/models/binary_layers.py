"""The LceBconv2d ops of a model as kernel cases with their real weights.

What Larq Compute Engine 0.16 does, and replaying its models confirms: the integer dot product is clamped by
the activation, then converted to float, multiplied and biased; a packed output has bit 1 where more bits
differ than the threshold says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import random_bits
from ..errors import KernelError, ModelError
from ..ops import Act, BConv2d, words
from .model import ModelFile, Op, TensorRef

OP_NAME = "LceBconv2d"
_ACTS: dict[int, Act] = {0: "none", 1: "relu", 2: "relu_n1_to_1", 3: "relu6"}  # ActivationFunctionType
_OUT = {"float32": "f32", "int8": "f32", "int32": "bits"}
_INT8_NOTE = "its int8 output is measured as float32: multiplier and bias are applied, the final rounding is not"


@dataclass(frozen=True, slots=True, eq=False)
class BinaryLayer:
    """One binary convolution of a model.

    `filter` u32[oc, kh, kw, words(c)/groups]; `multiplier` and `bias` f32[oc], or `threshold` i32[oc],
    whichever `spec.out` takes; `tensor` is the name of its output; `note` says how the case differs from it.
    """

    index: int
    name: str
    tensor: str
    spec: BConv2d
    filter: NDArray[np.uint32]
    multiplier: NDArray[np.float32] | None
    bias: NDArray[np.float32] | None
    threshold: NDArray[np.int32] | None
    note: str


def binary_layers(model: ModelFile) -> list[BinaryLayer]:
    """Every LceBconv2d, in file order. ModelError, one sentence with file and op, when one makes no sense."""
    layers = []
    for op in model.ops:
        if op.name == OP_NAME:
            try:
                layers.append(binary_layer(op))
            except (KernelError, ModelError) as error:
                raise ModelError(f"{model.path}: op {op.index} ({OP_NAME}) cannot be used: {error}") from error
    return layers


def arrays_for(layer: BinaryLayer, seed: int) -> dict[str, NDArray[Any]]:
    """The layer's arrays in `data=` order: random input bits, the model's own weights."""
    shape = layer.spec.inputs()[0].shape
    arrays: dict[str, NDArray[Any]] = {"x": random_bits(shape, layer.spec.c, np.random.default_rng(seed))}
    weights = {
        "filter": layer.filter,
        "multiplier": layer.multiplier,
        "bias": layer.bias,
        "threshold": layer.threshold,
    }
    return arrays | {name: array for name, array in weights.items() if array is not None}


def binary_layer(op: Op) -> BinaryLayer:
    """One LceBconv2d. Raises ModelError or KernelError, without the place in the model."""
    x, filters, out = (
        _tensor(op.input(0), "input", 4),
        _tensor(op.input(1), "filter", 4),
        _tensor(op.output(0), "output", 4),
    )
    spec = _spec(op, x, filters, out)
    if tuple(spec.output.shape) != out.shape:
        raise ModelError(f"its output has shape {list(out.shape)} where {list(spec.output.shape)} follows.")
    weights = _constant(filters, "filter", np.dtype("<i4"), spec.inputs()[1].shape).view(np.uint32)
    tail = spec.c // spec.groups % 32
    if tail and np.any(weights[..., -1] >> np.uint32(tail)):
        raise ModelError(f"its filter has bits set beyond its {spec.c // spec.groups} channels.")
    per_channel = (spec.oc,)
    scaled = spec.out == "f32"
    return BinaryLayer(
        index=op.index,
        name=f"op{op.index} {spec.name}",
        tensor=out.name,
        spec=spec,
        filter=weights,
        multiplier=_constant(op.input(2), "multiplier", np.dtype("<f4"), per_channel) if scaled else None,
        bias=_constant(op.input(3), "bias", np.dtype("<f4"), per_channel) if scaled else None,
        threshold=None if scaled else _constant(op.input(4), "threshold", np.dtype("<i4"), per_channel),
        note=_INT8_NOTE if out.dtype == "int8" else "",
    )


def _spec(op: Op, x: TensorRef, filters: TensorRef, out: TensorRef) -> BConv2d:
    batch, height, width, packed = x.shape
    out_channels, kernel_h, kernel_w, depth = filters.shape
    channels = _option(op, "channels_in")
    if packed != words(channels):
        raise ModelError(f"its input has {packed} words for {channels} channels.")
    if depth < 1 or packed % depth:
        raise ModelError(f"its filter is {depth} words deep, its input {packed}.")
    if out.dtype not in _OUT:
        raise ModelError(f"its output is {out.dtype}, not float32, int8 or int32.")
    act = _option(op, "fused_activation_function")
    if act not in _ACTS:
        raise ModelError(f"its fused_activation_function is {act}.")
    padding = _option(op, "padding")
    if padding not in (0, 1):
        raise ModelError(f"its padding is {padding}, not 0 (SAME) or 1 (VALID).")
    return BConv2d(
        n=batch,
        h=height,
        w=width,
        c=channels,
        oc=out_channels,
        kh=kernel_h,
        kw=kernel_w,
        sh=_option(op, "stride_height"),
        sw=_option(op, "stride_width"),
        dh=_option(op, "dilation_height_factor"),
        dw=_option(op, "dilation_width_factor"),
        groups=packed // depth,
        pad="valid" if padding == 1 else "same",
        pad_value=_option(op, "pad_values"),
        act=_ACTS[act],
        out="bits" if out.dtype == "int32" else "f32",
    )


def _option(op: Op, key: str) -> int:
    value = op.options.get(key)
    if not isinstance(value, int):
        raise ModelError(f"its option {key} is missing or no integer.")
    return int(value)


def _tensor(tensor: TensorRef | None, role: str, rank: int) -> TensorRef:
    if tensor is None or len(tensor.shape) != rank:
        raise ModelError(f"its {role} is missing or does not have {rank} dimensions.")
    return tensor


def _constant(tensor: TensorRef | None, role: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    data = None if tensor is None else tensor.data
    if data is None or data.dtype != dtype or data.shape != shape:
        raise ModelError(f"its {role} is not a constant {dtype.name}{list(shape)}.")
    return np.array(data)  # the file's bytes may be unaligned, and keep the whole file in memory
