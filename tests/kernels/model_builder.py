"""Writes small `.tflite` files, so that ops no golden model has can be imported and run."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import tflite
from flatbuffers import flexbuffers
from numpy.typing import NDArray

from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.model import ModelFile
from bnnbench.kernels.models.tflite_file import parse

Array = NDArray[Any]
PATH = Path("made.tflite")


@dataclass
class Builder:
    """Tensors and ops in the order they are added; an op's number is its place."""

    tensors: list[dict[str, Any]] = field(default_factory=list)
    ops: list[dict[str, Any]] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    open_axes: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Of tensors: axes whose size the file leaves open."""
    named_inputs: dict[str, int] = field(default_factory=dict)
    named_outputs: dict[str, int] = field(default_factory=dict)
    """What the signature calls its tensors; there is one if any is named."""

    def tensor(
        self,
        shape: tuple[int, ...],
        dtype: str = "float32",
        scale: float | list[float] | None = None,
        zero: int = 0,
        axis: int = 0,
        data: Array | None = None,
        name: str | None = None,
    ) -> int:
        """A tensor's number."""
        label = f"t{len(self.tensors)}" if name is None else name
        scales = None if scale is None else [scale] if isinstance(scale, float) else scale
        self.tensors.append(
            {"shape": shape, "dtype": dtype, "scales": scales, "zero": zero, "axis": axis, "data": data, "name": label}
        )
        return len(self.tensors) - 1

    def input(self, shape: tuple[int, ...], dtype: str = "float32", scale: float | None = None, zero: int = 0) -> int:
        """An input of the model."""
        self.inputs.append(self.tensor(shape, dtype, scale, zero))
        return self.inputs[-1]

    def constant(self, data: Any, scale: float | list[float] | None = None, zero: int = 0, axis: int = 0) -> int:
        """A constant tensor."""
        array = np.asarray(data)
        return self.tensor(array.shape, array.dtype.name, scale, zero, axis, array)

    def sparse(self, data: Array) -> int:
        """A constant of which the file has the numbers that are not zero, by rows of the last dimension."""
        self.tensor(data.shape, data.dtype.name, data=data[data != 0])
        self.tensors[-1]["sparse"] = data
        return len(self.tensors) - 1

    def op(
        self, name: str, inputs: list[int], outputs: int | list[int], kind: str | None = None, **options: Any
    ) -> int:
        """Adds an op and returns its first output; `kind` is the options' table (Conv2DOptions)."""
        results = [outputs] if isinstance(outputs, int) else outputs
        self.ops.append({"name": name, "inputs": inputs, "outputs": results, "kind": kind, "options": options})
        return results[0]

    def content(self, *outputs: int) -> bytes:
        """The file."""
        self.outputs = list(outputs) or self.outputs
        return _write(self)

    def model(self, *outputs: int) -> ModelFile:
        """The file, read."""
        return parse(self.content(*outputs), PATH)

    def graph(self, *outputs: int, batch: int = 1) -> Graph:
        """The file, imported."""
        return import_model(self.model(*outputs), batch)


def _write(model: Builder) -> bytes:
    b = flatbuffers.Builder(1024)
    buffers = [_table(b, "Buffer", {})]
    for tensor in model.tensors:
        if tensor["data"] is not None:
            buffers.append(_table(b, "Buffer", {"Data": b.CreateNumpyVector(_bytes(tensor["data"]))}))
    tensors, next_buffer = [], 1
    for number, tensor in enumerate(model.tensors):
        fields = {
            "Shape": b.CreateNumpyVector(np.array(tensor["shape"], np.int32)),
            "Type": getattr(tflite.TensorType, tensor["dtype"].upper()),
            "Name": b.CreateString(tensor["name"]),
        }
        if number in model.open_axes:
            sizes = [-1 if axis in model.open_axes[number] else size for axis, size in enumerate(tensor["shape"])]
            fields["ShapeSignature"] = b.CreateNumpyVector(np.array(sizes, np.int32))
        if tensor["data"] is not None:
            fields["Buffer"], next_buffer = next_buffer, next_buffer + 1
        if tensor["scales"] is not None:
            scales = np.array(tensor["scales"], np.float32)
            zeros = np.full(scales.size, tensor["zero"], np.int64)
            fields["Quantization"] = _table(
                b,
                "QuantizationParameters",
                {
                    "Scale": b.CreateNumpyVector(scales),
                    "ZeroPoint": b.CreateNumpyVector(zeros),
                    "QuantizedDimension": tensor["axis"],
                },
            )
        if "sparse" in tensor:
            fields["Sparsity"] = _sparsity(b, tensor["sparse"])
        tensors.append(_table(b, "Tensor", fields))
    names = list(dict.fromkeys(op["name"] for op in model.ops))
    codes = [_code(b, name) for name in names]
    ops = [_op(b, op, names) for op in model.ops]
    graph = _table(
        b,
        "SubGraph",
        {
            "Tensors": _offsets(b, tensors),
            "Inputs": b.CreateNumpyVector(np.array(model.inputs, np.int32)),
            "Outputs": b.CreateNumpyVector(np.array(model.outputs, np.int32)),
            "Operators": _offsets(b, ops),
        },
    )
    fields = {
        "Version": 3,
        "OperatorCodes": _offsets(b, codes),
        "Subgraphs": _offsets(b, [graph]),
        "Buffers": _offsets(b, buffers),
    }
    if model.named_inputs or model.named_outputs:
        fields["SignatureDefs"] = _offsets(b, [_signature(b, model)])
    b.Finish(_table(b, "Model", fields), b"TFL3")
    return bytes(b.Output())


def _signature(b: Any, model: Builder) -> int:
    ends = [
        _offsets(b, [_table(b, "TensorMap", {"Name": b.CreateString(name), "TensorIndex": at}) for name, at in names])
        for names in (model.named_inputs.items(), model.named_outputs.items())
    ]
    key = b.CreateString("serving_default")
    return _table(b, "SignatureDef", {"Inputs": ends[0], "Outputs": ends[1], "SignatureKey": key, "SubgraphIndex": 0})


def _sparsity(b: Any, data: Array) -> int:
    rows = data.reshape(-1, data.shape[-1])
    starts = np.concatenate([[0], np.cumsum((rows != 0).sum(axis=1))]).astype(np.int32)
    dimensions = [_table(b, "DimensionMetadata", {"Format": 0, "DenseSize": size}) for size in data.shape[:-1]]
    places = np.nonzero(rows)[1].astype(np.uint8)
    last = {
        "Format": 1,
        "ArraySegmentsType": tflite.SparseIndexVector.Int32Vector,
        "ArraySegments": _table(b, "Int32Vector", {"Values": b.CreateNumpyVector(starts)}),
        "ArrayIndicesType": tflite.SparseIndexVector.Uint8Vector,
        "ArrayIndices": _table(b, "Uint8Vector", {"Values": b.CreateNumpyVector(places)}),
    }
    dimensions.append(_table(b, "DimensionMetadata", last))
    order = b.CreateNumpyVector(np.arange(data.ndim, dtype=np.int32))
    return _table(b, "SparsityParameters", {"TraversalOrder": order, "DimMetadata": _offsets(b, dimensions)})


def _code(b: Any, name: str) -> int:
    number = getattr(tflite.BuiltinOperator, name, None)
    if number is None:
        custom = tflite.BuiltinOperator.CUSTOM
        fields = {"CustomCode": b.CreateString(name), "BuiltinCode": custom, "DeprecatedBuiltinCode": custom}
        return _table(b, "OperatorCode", fields)
    old = {"DeprecatedBuiltinCode": min(number, 127)}
    return _table(b, "OperatorCode", {"BuiltinCode": number, "Version": _VERSIONS.get(name, 1), **old})


def _op(b: Any, op: dict[str, Any], names: list[str]) -> int:
    fields = {
        "OpcodeIndex": names.index(op["name"]),
        "Inputs": b.CreateNumpyVector(np.array(op["inputs"], np.int32)),
        "Outputs": b.CreateNumpyVector(np.array(op["outputs"], np.int32)),
    }
    if op["kind"] is not None:
        values = {
            "".join(part.capitalize() for part in key.split("_")): b.CreateNumpyVector(np.array(value, np.int32))
            if isinstance(value, list)
            else value
            for key, value in op["options"].items()
        }
        fields["BuiltinOptions"] = _table(b, op["kind"], values)
        fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, op["kind"])
    elif "raw" in op["options"]:
        fields["CustomOptions"] = b.CreateNumpyVector(np.frombuffer(op["options"]["raw"], np.uint8))
    elif op["options"]:
        flex = flexbuffers.Builder()
        flex.MapFromElements(op["options"])
        fields["CustomOptions"] = b.CreateNumpyVector(np.frombuffer(bytes(flex.Finish()), np.uint8))
    return _table(b, "Operator", fields)


def _table(b: Any, kind: str, fields: dict[str, Any]) -> int:
    module = import_module(f"tflite.{kind}")
    getattr(module, f"{kind}Start")(b)
    for name, value in fields.items():
        getattr(module, f"{kind}Add{name}")(b, value)
    return int(getattr(module, f"{kind}End")(b))


def _offsets(b: Any, items: list[int]) -> int:
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependUOffsetTRelative(item)
    return int(b.EndVector())


def _bytes(array: Array) -> Array:
    return np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)


# The versions that have int8 forms: an interpreter refuses int8 in an older one.
_VERSIONS = {
    "ADD": 2,
    "SUB": 2,
    "MUL": 2,
    "CONV_2D": 5,
    "DEPTHWISE_CONV_2D": 6,
    "FULLY_CONNECTED": 9,
    "TRANSPOSE_CONV": 4,
    "MEAN": 2,
    "SOFTMAX": 2,
    "MAX_POOL_2D": 2,
    "AVERAGE_POOL_2D": 2,
    "QUANTIZE": 2,
    "DEQUANTIZE": 2,
    "PAD": 2,
    "CONCATENATION": 2,
    "RELU": 2,
    "PRELU": 1,
    "LOGISTIC": 2,
    "TANH": 2,
    "LEAKY_RELU": 2,
    "MINIMUM": 2,
    "MAXIMUM": 2,
}
