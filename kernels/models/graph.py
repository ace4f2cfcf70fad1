"""A model as a graph of typed operations: what the importer makes, the reference interprets and plans are made of.

Every node has one output (a SPLIT becomes several `Slice`). Shapes hold the batch. A tensor of bits has the shape
of what it stands for: (n, h, w, c) of +1 and -1, stored as ceil(c / 32) words of each pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from numpy.typing import NDArray

from ..ops import words
from .operations import Operation

DType = Literal["f32", "i8", "u8", "i32", "bits"]
ITEM_BYTES: Mapping[DType, int] = {"f32": 4, "i8": 1, "u8": 1, "i32": 4, "bits": 4}


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A value between operations; `data` when it is constant.

    i8 stands for `scale * (stored - zero_point)`; it is computed in TFLite's fixed point, or `in_floats`, as ONNX says,
    see `onnx_quantization.py`. u8 is the same in uint8: only Quantize and Dequantize read or make it. `data` of bits is
    u32 words. Tensors are compared by identity.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DType
    scale: float | None = None
    zero_point: int = 0
    data: NDArray[Any] | None = None
    in_floats: bool = False

    @property
    def storage_shape(self) -> tuple[int, ...]:
        """Shape of the stored array: of bits, the last dimension counts words."""
        return (*self.shape[:-1], words(self.shape[-1])) if self.dtype == "bits" else self.shape

    @property
    def bytes(self) -> int:
        return ITEM_BYTES[self.dtype] * prod(self.storage_shape)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation. `index` is the op's place in the model file, `op` its name there (CONV_2D, LceBconv2d)."""

    index: int
    op: str
    operation: Operation
    inputs: tuple[Tensor, ...]
    output: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Nodes in an order in which they can run. `source` is the file, for messages."""

    nodes: tuple[Node, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    source: str = "the model"
