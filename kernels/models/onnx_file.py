"""Reads `.onnx` files with the package `onnx`, and trusts nothing in them: sizes are compared with what is there before
anything is allocated, and data outside the file must lie in its folder."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .model import ModelFile, OnnxContent, OnnxNode, OnnxPort, Op, Subgraph, TensorRef

if TYPE_CHECKING:
    import onnx

Array = NDArray[Any]
MAX_FILE_BYTES = 2**31 - 1
MAX_NODES = 100_000
MAX_RANK = 8
_LOCAL = ("", "ai.onnx", "qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
_BYTES: Mapping[int, tuple[str, str]] = {
    1: ("<f4", "float_data"),
    2: ("|u1", "int32_data"),
    3: ("|i1", "int32_data"),
    5: ("<i2", "int32_data"),
    6: ("<i4", "int32_data"),
    7: ("<i8", "int64_data"),
    9: ("|b1", "int32_data"),
    10: ("<f2", "int32_data"),
    11: ("<f8", "double_data"),
}
"""Of TensorProto.DataType: NumPy's type, and the field of numbers that are not raw."""
_NAMES: Mapping[int, str] = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16"}


def read_onnx(path: str | Path) -> ModelFile:
    """The model in a file. Raises ModelError, one sentence that names it, and ImportError without the package."""
    path = Path(path)
    return parse_onnx(_content(path, path), path)


def parse_onnx(content: bytes, path: Path) -> ModelFile:
    """The same of a file's content. Data outside of it is looked for beside `path`."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(content)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path} is damaged or no ONNX model ({_first(error)}); export it again.") from None
    reader = _Reader(path, hashlib.sha256(content), len(content))
    try:
        return reader.model(proto)
    except ModelError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is damaged ({_first(error)}); export it again.") from error


def resized_onnx(content: bytes, shapes: Mapping[int, tuple[int, ...]]) -> bytes:
    """The same file with other sizes of inputs, by their places among those that are no constants."""
    import onnx

    proto = onnx.ModelProto()
    proto.ParseFromString(content)
    constants = {tensor.name for tensor in proto.graph.initializer}
    ports = [port for port in proto.graph.input if port.name not in constants]
    for place, shape in shapes.items():
        for size, dimension in zip(shape, ports[place].type.tensor_type.shape.dim, strict=True):
            dimension.dim_value = size
    changed: bytes = proto.SerializeToString()
    return changed


def with_integers(content: bytes) -> tuple[bytes, list[str]]:
    """The same file with the results of its QuantizeLinear nodes as further outputs, and their names."""
    import onnx

    proto = onnx.ModelProto()
    proto.ParseFromString(content)
    known = {port.name for port in proto.graph.output}
    made = [node.output[0] for node in proto.graph.node if node.op_type == "QuantizeLinear" and node.output]
    names = [name for name in made if name not in known]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return proto.SerializeToString(), names


class _Reader:
    """Turns messages into values. Every method raises ModelError."""

    def __init__(self, path: Path, digest: Any, size: int) -> None:
        self._path, self._digest, self._size = path, digest, size
        self._external: dict[str, bytes] = {}

    def model(self, proto: onnx.ModelProto) -> ModelFile:
        graph = proto.graph
        if not graph.node:
            self._fail("it has no nodes")
        if len(graph.node) > MAX_NODES:
            self._fail(f"it has {len(graph.node):,} nodes; up to {MAX_NODES:,} are read")
        if graph.sparse_initializer:
            self._fail("it has sparse constants, which are not supported")
        versions = [item.version for item in proto.opset_import if item.domain in ("", "ai.onnx")]
        constants: dict[str, Array] = {}
        for tensor in graph.initializer:
            name = _text(tensor.name)
            if name in constants:
                self._fail(f"the constant '{_shown(name)}' is there twice")
            constants[name] = self.array(tensor)
        nodes = []
        for index, node in enumerate(graph.node):
            if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
                if len(node.output) != 1 or node.output[0] in constants:
                    self._fail(f"node {index} (Constant) has no output of its own")
                constants[_text(node.output[0])] = self._constant(index, node)
            else:
                nodes.append(self._node(index, node))
        content = OnnxContent(
            version=max(versions, default=1),
            nodes=tuple(nodes),
            constants=constants,
            inputs=tuple(port for port in map(_port, graph.input) if port.name not in constants),
            outputs=tuple(map(_port, graph.output)),
        )
        return ModelFile(
            path=self._path,
            size_bytes=self._size,
            sha256=self._digest.hexdigest(),
            description=" ".join(filter(None, (_shown(proto.producer_name), _shown(proto.producer_version)))),
            ops=tuple(_op(node, constants) for node in nodes),
            inputs=tuple(map(_ref, content.inputs)),
            outputs=tuple(map(_ref, content.outputs)),
            subgraphs=(Subgraph("main", ()),),
            format="onnx",
            onnx=content,
        )

    def array(self, tensor: onnx.TensorProto) -> Array:
        """A constant, once its numbers are known to be there."""
        name = _shown(tensor.name)
        if tensor.data_type not in _BYTES:
            self._fail(f"the constant '{name}' is of type {tensor.data_type}, which is not supported")
        dtype, field = _BYTES[tensor.data_type]
        shape = tuple(tensor.dims)
        if len(shape) > MAX_RANK or any(size < 0 for size in shape):
            self._fail(f"the constant '{name}' has shape {list(shape)[:12]}")
        count, item = prod(shape), np.dtype(dtype).itemsize
        if tensor.data_location == 1:  # EXTERNAL
            data = self._outside(tensor, count * item)
        elif tensor.HasField("raw_data"):
            data = tensor.raw_data
        else:
            numbers = getattr(tensor, field)
            if len(numbers) != count:
                self._fail(f"the constant '{name}' has {len(numbers)} numbers for shape {list(shape)}")
            if tensor.data_type == 10:
                return np.array(numbers, np.uint16).view("<f2").reshape(shape)
            return np.array(numbers).astype(dtype).reshape(shape)
        if len(data) != count * item:
            self._fail(f"the constant '{name}' has {len(data)} bytes for shape {list(shape)}")
        return np.frombuffer(data, dtype).reshape(shape)

    def _outside(self, tensor: onnx.TensorProto, size: int) -> bytes:
        """Data beside the file."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", str(size)))
        parts = Path(location).parts
        if not location or "\0" in location or "\\" in location or Path(location).is_absolute() or ".." in parts:
            self._fail(
                f"the data of '{_shown(tensor.name)}' is to be read from '{_shown(location)}', outside its folder"
            )
        if location not in self._external:
            file = self._path.parent / location
            if not file.resolve().is_relative_to(self._path.parent.resolve()):
                self._fail(f"'{_shown(location)}' leads out of the model's folder")
            content = _content(file, self._path)
            self._external[location] = content
            self._digest.update(content)
            self._size += len(content)
        content = self._external[location]
        if offset < 0 or length != size or offset + length > len(content):
            self._fail(
                f"the data of '{_shown(tensor.name)}' is not in '{_shown(location)}', which is too short or another's"
            )
        return content[offset : offset + length]

    def _constant(self, index: int, node: onnx.NodeProto) -> Array:
        if len(node.attribute) != 1:
            self._fail(f"node {index} (Constant) has no value")
        given = node.attribute[0]
        match given.name:
            case "value":
                return self.array(given.t)
            case "value_float":
                return np.array(given.f, np.float32)
            case "value_floats":
                return np.array(given.floats, np.float32)
            case "value_int":
                return np.array(given.i, np.int64)
            case "value_ints":
                return np.array(given.ints, np.int64)
            case _:
                return self._fail(f"node {index} (Constant) has no value that is supported")

    def _node(self, index: int, node: onnx.NodeProto) -> OnnxNode:
        op = ("" if node.domain in _LOCAL else f"{_shown(node.domain)}::") + _shown(node.op_type)
        attributes = {_text(item.name): self._attribute(item) for item in node.attribute}
        return OnnxNode(index, op, attributes, tuple(map(_text, node.input)), tuple(map(_text, node.output)))

    def _attribute(self, item: onnx.AttributeProto) -> Any:
        match item.type:
            case 1:
                return float(item.f)
            case 2:
                return int(item.i)
            case 3:
                return item.s.decode("utf-8", "replace")
            case 4:
                return self.array(item.t)
            case 6:
                return [float(number) for number in item.floats]
            case 7:
                return [int(number) for number in item.ints]
        return None

    def _fail(self, text: str) -> NoReturn:
        raise ModelError(f"{self._path} cannot be read: {text}; export it again.")


def _port(port: onnx.ValueInfoProto) -> OnnxPort:
    kind = port.type.tensor_type
    shape = tuple(
        int(size.dim_value) if size.HasField("dim_value") and size.dim_value > 0 else None for size in kind.shape.dim
    )
    return OnnxPort(_text(port.name), _NAMES.get(kind.elem_type, f"of type {kind.elem_type}"), shape)


def _op(node: OnnxNode, constants: Mapping[str, Array]) -> Op:
    """As other formats list their ops; shapes of computed tensors are not in the file."""
    inputs = tuple(_operand(name, constants.get(name)) if name else None for name in node.inputs)
    options = {name: value for name, value in node.attributes.items() if not isinstance(value, np.ndarray)}
    return Op(node.index, 0, node.op, options, inputs, tuple(_operand(name, None) for name in node.outputs))


def _operand(name: str, data: Array | None) -> TensorRef:
    shape, dtype = ((), "float32") if data is None else (data.shape, data.dtype.name)
    return TensorRef(-1, name, shape, dtype, None, data, -1)


def _ref(port: OnnxPort) -> TensorRef:
    shape = tuple(-1 if size is None else size for size in port.shape)
    open_axes = tuple(axis for axis, size in enumerate(port.shape) if size is None)
    return TensorRef(-1, port.name, shape, port.dtype, None, None, -1, open_axes)


def _content(path: Path, model: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ModelError(f"{path} is no file; give the path of an ONNX model.")
            if status.st_size > MAX_FILE_BYTES:
                raise ModelError(f"{path} has more than 2 GiB; models up to that size are read.")
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        what = "" if path == model else f" of {model}"
        raise ModelError(f"{path}{what} can't be read ({error.strerror}).") from error


def _text(name: object) -> str:
    """A name of a message; one that is not UTF-8 comes as bytes. Raises ValueError."""
    if not isinstance(name, str):
        raise ValueError("a name in it is not UTF-8")
    return name


def _shown(name: str) -> str:
    name = _text(name)
    text = "".join(character if character.isprintable() else "?" for character in name)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _first(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text[:120]
