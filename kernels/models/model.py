"""A model file as read: ops and the tensors between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sparse_constants import SparseRows


@dataclass(frozen=True, slots=True, eq=False)
class Quantization:
    """`real = scale * (stored - zero_point)`; one pair, or one per slice along `axis`."""

    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int


@dataclass(frozen=True, slots=True, eq=False)
class TensorRef:
    """A tensor; `data` is its constant value, a view of the file, or None when an op computes it.

    `dtype` is a NumPy name (float32, int8, ...) or the schema's own in lower case where NumPy has none
    (string, int4); of these, and of sparse ones, `data` is the raw bytes. `index` is its place in the subgraph,
    `buffer` that of its data in the file: tensors may share one. `open_axes` are those whose size the file leaves open;
    in ONNX it is -1 there. `sparse` says where the values of a sparse one go.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None
    data: NDArray[Any] | None
    buffer: int
    open_axes: tuple[int, ...] = ()
    sparse: SparseRows | None = None

    @property
    def elements(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One op: `name` is the schema's (CONV_2D) or the custom code (LceBconv2d); None is an absent operand.

    `options_kind` is the schema's table that the options are from (Conv2DOptions), or "" when there is none.
    """

    index: int
    subgraph: int
    name: str
    options: Mapping[str, Any]
    inputs: tuple[TensorRef | None, ...]
    outputs: tuple[TensorRef | None, ...]
    options_kind: str = ""

    def input(self, position: int) -> TensorRef | None:
        """The operand at a position, None when it is absent or not given at all."""
        return self.inputs[position] if position < len(self.inputs) else None

    def output(self, position: int) -> TensorRef | None:
        """The result at a position, None when it is absent or not given at all."""
        return self.outputs[position] if position < len(self.outputs) else None


@dataclass(frozen=True, slots=True)
class Subgraph:
    """A function of the file, with the keys of the signatures that name it."""

    name: str
    signatures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OnnxPort:
    """An input or output; None is a size that the file leaves open."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class OnnxNode:
    """One node. An operand that is left out has an empty name."""

    index: int
    op: str
    attributes: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class OnnxContent:
    """What an ONNX file says. `version` is that of ONNX's own operator set."""

    version: int
    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, NDArray[Any]]
    inputs: tuple[OnnxPort, ...]
    outputs: tuple[OnnxPort, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ModelFile:
    """A whole model; `ops` in file order over all subgraphs, `inputs` and `outputs` those of the first. `format` is a
    key of `formats.FORMATS`; of ONNX, `onnx` is what its importer reads. `signature_inputs` and `signature_outputs` are
    the names that the first signature gives them, empty where it gives none. `shapes` of inputs, by their places, are
    the user's: then the file's own shapes of what is computed do not hold."""

    path: Path
    size_bytes: int
    sha256: str
    description: str
    ops: tuple[Op, ...]
    inputs: tuple[TensorRef, ...]
    outputs: tuple[TensorRef, ...]
    subgraphs: tuple[Subgraph, ...]
    format: str = "tflite"
    onnx: OnnxContent | None = None
    signature_inputs: tuple[str, ...] = ()
    signature_outputs: tuple[str, ...] = ()
    shapes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
