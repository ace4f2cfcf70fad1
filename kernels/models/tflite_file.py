"""Reads `.tflite` files without TensorFlow, LCE's ops included, and trusts nothing in them.

A FlatBuffer is offsets into the file, so a damaged one can point anywhere, claim any length, and make a small
file look endless. Here lengths are checked against the file, constants are views and never copies, and the
number of things read is bounded.
"""

from __future__ import annotations

import hashlib
import stat
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from ..errors import ModelError
from .model import ModelFile, Op, Quantization, Subgraph, TensorRef
from .options import builtin_code, builtin_options, custom_options, names_of, options_kind, struct_options
from .sparse_constants import SparseRows, sparse_rows

MAX_FILE_BYTES = 2**31
MAX_ITEMS = 250_000
"""Ops, tensors, operands and dimensions read from one file; the largest models have some 50,000."""

MAX_RANK = 16
_IDENTIFIER = b"TFL3"
_DAMAGED = (
    struct.error,  # an offset out of the file
    ValueError,  # a vector longer than the file, bytes that are not UTF-8, a shape that does not fit its data
    TypeError,  # an offset that is not an unsigned number
    IndexError,
    KeyError,
    AttributeError,  # a required table that is missing
    OverflowError,
    RecursionError,
)


def read(path: str | Path) -> ModelFile:
    """The model in a file; ModelError, one sentence naming it, when it is missing, damaged or no model."""
    path = Path(path)
    return parse(_content(path), path)


def parse(content: bytes, path: Path) -> ModelFile:
    """The model in these bytes; ModelError as `read`, which names `path`."""
    if content[4:8] != _IDENTIFIER:
        raise ModelError(f"{path} is not a TensorFlow Lite model (bytes 4 to 7 are not TFL3); name a .tflite file.")
    try:
        return _Reader(path, content).model()
    except ModelError as error:
        raise ModelError(f"{path} is damaged: {error}; convert or copy the model again.") from error
    except _DAMAGED as error:
        raise ModelError(
            f"{path} is damaged: an offset or length in it is wrong; convert or copy the model again."
        ) from error


def resized_tflite(content: bytes, shapes: Mapping[int, tuple[int, ...]]) -> bytes:
    """The same file with other sizes of inputs, by their places; of the same number of dimensions, so no byte moves."""
    changed = bytearray(content)
    graph = tflite.Model.GetRootAs(changed, 0).Subgraphs(0)
    present = [index for index in map(graph.Inputs, range(graph.InputsLength())) if index != -1]
    for place, shape in shapes.items():
        if shape:  # a scalar has no vector of sizes
            graph.Tensors(present[place]).ShapeAsNumpy()[:] = np.array(shape, np.int32)
    return bytes(changed)


def _content(path: Path) -> bytes:
    try:
        status = path.stat()
    except ValueError as error:  # a name with a zero byte
        raise ModelError(f"{str(path)!r} is not a file name; name a .tflite file.") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error
    if stat.S_ISDIR(status.st_mode):
        raise ModelError(f"{path} is a folder; name the .tflite file in it.")
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{path} is not an ordinary file; name a .tflite file.")
    if status.st_size > MAX_FILE_BYTES:
        raise ModelError(f"{path} has {status.st_size} bytes; a .tflite file has at most 2 GiB.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error
    except MemoryError as error:
        raise ModelError(f"{path} does not fit into this machine's memory.") from error
    if not content:
        raise ModelError(f"{path} is empty; convert or copy the model again.")
    return content


class _Reader:
    """One file's contents, with a budget of things to read."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._path, self._content = path, content
        self._left = MAX_ITEMS
        self._model = tflite.Model.GetRootAs(content, 0)

    def model(self) -> ModelFile:
        graphs = self._count(self._model.SubgraphsLength(), "subgraphs")
        if graphs == 0:
            raise ModelError("it has no subgraph")
        codes = [self._op_name(i) for i in range(self._count(self._model.OperatorCodesLength(), "operator codes"))]
        ops: list[Op] = []
        ends: list[tuple[tuple[TensorRef, ...], tuple[TensorRef, ...]]] = []
        for graph_index in range(graphs):
            graph = self._model.Subgraphs(graph_index)
            count = self._count(graph.TensorsLength(), "tensors")
            tensors = [self._tensor(graph.Tensors(i), i) for i in range(count)]
            for i in range(self._count(graph.OperatorsLength(), "ops")):
                ops.append(self._op(graph.Operators(i), codes, tensors, len(ops), graph_index))
            ends.append((self._present(graph, "Inputs", tensors), self._present(graph, "Outputs", tensors)))
        return ModelFile(
            path=self._path,
            size_bytes=len(self._content),
            sha256=hashlib.sha256(self._content).hexdigest(),
            description=_text(self._model.Description()),
            ops=tuple(ops),
            inputs=ends[0][0],
            outputs=ends[0][1],
            subgraphs=self._subgraphs(graphs),
            signature_inputs=self._signature_names("Inputs", ends[0][0]),
            signature_outputs=self._signature_names("Outputs", ends[0][1]),
        )

    def _signature_names(self, field: str, ports: tuple[TensorRef, ...]) -> tuple[str, ...]:
        """By the first signature of the first subgraph."""
        for i in range(self._model.SignatureDefsLength()):
            signature = self._model.SignatureDefs(i)
            if signature.SubgraphIndex() == 0:
                count = self._count(getattr(signature, f"{field}Length")(), "names of a signature")
                pairs = [getattr(signature, field)(place) for place in range(count)]
                names = {int(pair.TensorIndex()): _text(pair.Name()) for pair in pairs}
                return tuple(names.get(port.index, "") for port in ports)
        return ()

    def _subgraphs(self, count: int) -> tuple[Subgraph, ...]:
        keys: dict[int, list[str]] = {}
        for i in range(self._count(self._model.SignatureDefsLength(), "signatures")):
            signature = self._model.SignatureDefs(i)
            keys.setdefault(signature.SubgraphIndex(), []).append(_text(signature.SignatureKey()))
        names = [_text(self._model.Subgraphs(index).Name()) for index in range(count)]
        return tuple(Subgraph(name, tuple(keys.get(index, ()))) for index, name in enumerate(names))

    def _count(self, length: int, what: str, item_bytes: int = 4) -> int:
        """A vector's length, once it is known to fit into the file and into what may still be read."""
        if length * item_bytes > len(self._content):
            raise ModelError(f"it claims {length} {what}, more than the file can hold")
        self._left -= length
        if self._left < 0:
            raise ModelError(f"it claims more than {MAX_ITEMS} ops, tensors and dimensions")
        return length

    def _op_name(self, index: int) -> str:
        code = self._model.OperatorCodes(index)
        number = builtin_code(code)
        if number == tflite.BuiltinOperator.CUSTOM:
            return _text(code.CustomCode()) or "CUSTOM"
        return _BUILTIN_NAMES.get(number, f"BUILTIN_{number}")

    def _tensor(self, table: Any, index: int) -> TensorRef:
        rank = self._count(table.ShapeLength(), "dimensions")
        if rank > MAX_RANK:
            raise ModelError(f"tensor {index} has {rank} dimensions")
        shape = tuple(int(table.Shape(i)) for i in range(rank))
        dtype = _TYPE_NAMES.get(table.Type(), f"type_{table.Type()}").lower()
        return TensorRef(
            index=index,
            name=_text(table.Name()),
            shape=shape,
            dtype=dtype,
            quantization=self._quantization(table.Quantization()),
            data=self._constant(table, shape, dtype, index),
            buffer=int(table.Buffer()),
            open_axes=self._open_axes(table, rank),
            sparse=self._sparse(table.Sparsity(), rank),
        )

    def _open_axes(self, table: Any, rank: int) -> tuple[int, ...]:
        """Where the signature of the shape has -1; one of another rank says nothing."""
        if table.ShapeSignatureLength() != rank:
            return ()
        return tuple(axis for axis in range(rank) if table.ShapeSignature(axis) == -1)

    def _sparse(self, table: Any, rank: int) -> SparseRows | None:
        return None if table is None else sparse_rows(table, rank, len(self._content))

    def _quantization(self, table: Any) -> Quantization | None:
        if table is None or table.ScaleLength() == 0:
            return None
        scales, zero_points = table.ScaleLength(), table.ZeroPointLength()
        if scales * 4 > len(self._content) or zero_points * 8 > len(self._content):
            raise ModelError("it claims more scales than the file can hold")
        zeros = table.ZeroPointAsNumpy() if zero_points else np.zeros(scales, np.int64)
        return Quantization(table.ScaleAsNumpy(), zeros, int(table.QuantizedDimension()))

    def _constant(self, table: Any, shape: tuple[int, ...], dtype: str, tensor: int) -> NDArray[Any] | None:
        buffer = table.Buffer()
        if not 0 <= buffer < self._model.BuffersLength():
            raise ModelError(f"tensor {tensor} names buffer {buffer}, which does not exist")
        raw = self._raw(self._model.Buffers(buffer))
        dense = _NUMPY_TYPES.get(dtype)
        if raw is None or dense is None or table.Sparsity() is not None:
            return raw
        if min(shape, default=1) < 0 or raw.size != prod(shape) * dense.itemsize:
            raise ModelError(f"tensor {tensor} is {dtype}{list(shape)} but has {raw.size} bytes")
        return raw.view(dense).reshape(shape)

    def _raw(self, table: Any) -> NDArray[np.uint8] | None:
        length = table.DataLength()
        start, size = table.Offset(), table.Size()
        if start > 1:  # large models keep constants behind the FlatBuffer
            if start + size > len(self._content):
                raise ModelError(f"a constant of {size} bytes at {start} lies beyond the end of the file")
            return np.frombuffer(self._content, np.uint8, size, start)
        if length == 0:
            return None
        if length > len(self._content):
            raise ModelError(f"it claims a constant of {length} bytes, more than the file can hold")
        data: NDArray[np.uint8] = table.DataAsNumpy()
        return data

    def _op(self, table: Any, codes: list[str], tensors: list[TensorRef], index: int, graph: int) -> Op:
        code = table.OpcodeIndex()
        if code >= len(codes):
            raise ModelError(f"op {index} names operator code {code}, which does not exist")
        options = builtin_options(table)
        if length := table.CustomOptionsLength():
            # A map costs more to read than as many numbers; LCE's take some 200 bytes.
            self._count(length // 4, "bytes of options")
            raw = table.CustomOptionsAsNumpy().tobytes()
            options |= struct_options(codes[code], raw) or custom_options(raw)
        return Op(
            index=index,
            subgraph=graph,
            name=codes[code],
            options=options,
            options_kind=options_kind(table),
            inputs=self._operands(table, "Inputs", tensors),
            outputs=self._operands(table, "Outputs", tensors),
        )

    def _operands(self, table: Any, field: str, tensors: list[TensorRef]) -> tuple[TensorRef | None, ...]:
        indices = [getattr(table, field)(i) for i in range(self._count(getattr(table, f"{field}Length")(), "operands"))]
        for index in indices:
            if not -1 <= index < len(tensors):
                raise ModelError(f"an op names tensor {index}, which does not exist")
        return tuple(None if index == -1 else tensors[index] for index in indices)

    def _present(self, graph: Any, field: str, tensors: list[TensorRef]) -> tuple[TensorRef, ...]:
        return tuple(tensor for tensor in self._operands(graph, field, tensors) if tensor is not None)


def _text(raw: bytes | None) -> str:
    return "" if raw is None else raw[:1000].decode(errors="replace")


_BUILTIN_NAMES = names_of(tflite.BuiltinOperator)
_TYPE_NAMES = names_of(tflite.TensorType)
_NUMPY_TYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in (
        *("float32", "float16", "float64", "complex64", "complex128", "bool"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    )
}
