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
