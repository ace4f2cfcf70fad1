"""What `model info` says: counts against published ones, bytes against the file, memory against a hand count."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bnnbench.kernels.models import describe
from bnnbench.kernels.models.description import ConstantBytes, peak_live_bytes
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.tflite_file import read

from .model_builder import Builder

GOLDEN = Path(__file__).parents[1] / "golden"
BLUR = {"QuickNetSmall": 9 * (28 * 28 * 32 + 14 * 14 * 64 + 7 * 7 * 256)}
"""Fixed blur filters before each section, which the published counts leave out."""


@pytest.mark.parametrize("name", ["QuickNetSmall", "BiRealNet", "RealToBinaryNet", "BinaryDenseNet28"])
def test_counts_equal_the_published_ones(name: str) -> None:
    folder = os.environ.get("BNNBENCH_GOLDEN")
    if not folder:
        pytest.skip("BNNBENCH_GOLDEN is not set: the folder with the full-size golden models")
    with (Path(folder).parent / "reference" / "published.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["model"] == name and row["macs_1bit"])
    model = read(Path(folder) / f"{name}.tflite")
    description = describe(model)
    assert description.macs_1bit == int(row["macs_1bit"])
    assert description.macs_32bit == int(row["macs_32bit"]) + BLUR.get(name, 0)
    assert description.bytes_by_kind.total == description.parameter_bytes
    assert 0.95 < description.parameter_bytes / model.size_bytes < 1
    # Packed channels are whole words, so binary weights take at least an eighth of a byte each.
    assert description.parameters_1bit <= 8 * description.bytes_by_kind.bits
    assert description.parameters_other == (description.bytes_by_kind.float32 + description.bytes_by_kind.other) // 4


def test_parameters_and_bytes_of_a_known_model() -> None:
    description = describe(read(GOLDEN / "tiny_larq.tflite"))
    # Stem 27x32 with bias, thresholds of the first binary convolution, scale and bias of the second, MUL, ADD, dense.
    other = 27 * 32 + 32 + 64 + 2 * 64 + 64 + 64 + 64 * 10 + 10
    assert description.parameters_1bit == 9 * 32 * 64 + 9 * 64 * 64
    assert description.parameters_other == other
    assert description.bytes_by_kind == ConstantBytes(
        bits=9 * 64 * 4 + 9 * 64 * 8, float32=4 * (other - 64), int8=0, other=4 * 64 + 8
    )
    assert description.parameter_bytes == description.bytes_by_kind.total
    # 32x32x32 floats of the stem and its input, while the one becomes the other.
    assert description.peak_bytes == 4 * 32 * 32 * (32 + 3)
    assert description.peak_unknown == ""


def test_peak_memory_counts_what_is_needed_at_one_time() -> None:
    b = Builder()
    x = b.input((1, 10))
    y = b.op("ABS", [x], b.tensor((1, 10)))
    z = b.op("RELU", [y], b.tensor((1, 10)))
    flat = b.op("RESHAPE", [z], b.tensor((1, 2, 5)))
    wide = b.op("CONCATENATION", [flat, flat], b.tensor((1, 2, 10)), "ConcatenationOptions", axis=2)
    out = b.op("ABS", [wide], b.tensor((1, 2, 10)))
    # Two of 40 bytes, then 40 and 80 (a reshape takes none), then 80 and 80.
    assert peak_live_bytes(b.graph(out)) == 160
    # The first result is an output too, so it stays.
    assert peak_live_bytes(b.graph(out, y)) == 200
    assert peak_live_bytes(b.graph(out, batch=3)) == 480


def test_shared_constants_count_once() -> None:
    b = Builder()
    value, shared = b.input((1, 8)), b.constant(np.ones(8, np.float32))
    for _ in range(3):
        value = b.op("ADD", [value, shared], b.tensor((1, 8)), "AddOptions")
    description = describe(b.model(value))
    assert [row.parameter_bytes for row in description.rows] == [32, 32, 32]
    assert (description.parameter_bytes, description.parameters_other) == (32, 8)


def test_a_model_that_cannot_be_imported_is_described_all_the_same() -> None:
    model = read(GOLDEN / "tiny_larq.tflite")
    strange = replace(model, ops=(*model.ops[:4], replace(model.ops[4], name="CUMSUM"), *model.ops[5:]))
    description = describe(strange)
    assert description.macs_1bit == describe(model).macs_1bit
    assert description.peak_bytes is None
    assert "op 4 (CUMSUM)" in description.peak_unknown
    assert describe(model).peak_bytes == peak_live_bytes(import_model(model))


def counted_by_hand(content: bytes) -> int:
    """Elements of every constant that is a weight, each buffer once, as the schema's own reader sees them."""
    import tflite

    model = tflite.Model.GetRootAs(content, 0)
    graph, sizes = model.Subgraphs(0), {}
    weights = {getattr(tflite.TensorType, name) for name in ("FLOAT32", "FLOAT16", "INT8", "UINT8", "INT4")}
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        stored = tensor.Quantization()
        is_bias = tensor.Type() == tflite.TensorType.INT32 and stored is not None and stored.ScaleLength() > 0
        if model.Buffers(tensor.Buffer()).DataLength() and (tensor.Type() in weights or is_bias):
            sizes[tensor.Buffer()] = int(np.prod(tensor.ShapeAsNumpy())) if tensor.ShapeLength() else 1
    return sum(sizes.values())


def dense(dtype: str, scale: list[float] | None = None) -> Builder:
    """A dense layer of 5x7 weights of this type, with a bias."""
    b = Builder()
    x = b.input((1, 7), "float32")
    stored = b.constant(np.ones((5, 7), dtype), scale)
    weights = stored if dtype == "float32" else b.op("DEQUANTIZE", [stored], b.tensor((5, 7)))
    b.outputs = [b.op("FULLY_CONNECTED", [x, weights, b.constant(np.ones(5, "f4"))], b.tensor((1, 5)))]
    return b


@pytest.mark.parametrize(
    ("dtype", "scale", "kind"),
    [
        ("float32", None, "float32"),
        ("float16", None, "float16"),
        ("int8", [0.5], "int8"),
        ("int8", [0.5, 1.0, 1.5, 2.0, 2.5], "int8"),
        ("uint8", [0.5], "other"),
        ("int16", [0.5], "other"),
    ],
)
def test_weights_of_every_type_count(dtype: str, scale: list[float] | None, kind: str) -> None:
    b = dense(dtype, scale)
    description = describe(b.model())
    assert description.parameters_other == 5 * 7 + 5
    if dtype != "int16":
        assert description.parameters_other == counted_by_hand(b.content())
    by_kind = description.bytes_by_kind.by_kind()
    assert by_kind[kind] == 5 * 7 * np.dtype(dtype).itemsize + (20 if kind == "float32" else 0)
    assert sum(by_kind.values()) == description.parameter_bytes == 5 * 7 * np.dtype(dtype).itemsize + 20


def test_four_bit_weights_count_by_number_and_not_by_byte() -> None:
    b = Builder()
    x, weights = b.input((1, 6)), b.tensor((3, 6), "int4", [1.0], data=np.zeros(9, np.uint8))
    description = describe(b.model(b.op("FULLY_CONNECTED", [x, weights], b.tensor((1, 3)))))
    assert (description.parameters_other, description.bytes_by_kind) == (18, ConstantBytes(int4=9))


def test_binary_weights_count_by_bit_and_biases_and_shapes_as_what_they_are() -> None:
    model = read(GOLDEN / "tiny_odd.tflite")
    description = describe(model)
    filters = [op for op in model.ops if op.name == "LceBconv2d"]
    by_hand = 0
    for op in filters:
        weights, channels = op.input(1), op.options["channels_in"]
        assert weights is not None
        by_hand += weights.shape[0] * weights.shape[1] * weights.shape[2] * channels
    assert description.parameters_1bit == by_hand
    b = Builder()
    x = b.input((1, 6))
    shaped = b.op("RESHAPE", [x, b.constant(np.array([1, 2, 3], np.int32))], b.tensor((1, 2, 3)))
    assert describe(b.model(shaped)).parameters_other == 0


@pytest.mark.parametrize("name", ["tiny_int8", "tiny_dequant"])
def test_totals_are_those_of_the_schema_s_own_reader(name: str) -> None:
    content = (GOLDEN / f"{name}.tflite").read_bytes()
    description = describe(read(GOLDEN / f"{name}.tflite"))
    thresholds = sum(
        tensor.elements
        for op in read(GOLDEN / f"{name}.tflite").ops
        if op.name == "LceBconv2d"
        for tensor in op.inputs[2:]
        if tensor is not None and tensor.dtype == "int32" and tensor.quantization is None
    )
    assert description.parameters_other == counted_by_hand(content) + thresholds
