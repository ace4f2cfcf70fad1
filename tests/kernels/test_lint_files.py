"""What lint says of files: bytes that are there for nothing, ops that nobody knows, and damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.lint import lint_file, lint_model
from bnnbench.kernels.models.lint.weights import is_binary
from bnnbench.kernels.models.plan import make_plan
from tests.kernels.model_builder import Builder
from tests.kernels.test_lint import by_id, places, written

pytestmark = pytest.mark.timeout(60)


def test_data_that_is_there_twice_or_for_nothing(tmp_path: Path) -> None:
    b = Builder()
    x = b.input((1, 4))
    weights = np.arange(400, dtype=np.float32).reshape(100, 4)
    for _ in range(2):
        y = b.op("FULLY_CONNECTED", [x, b.constant(weights)], b.tensor((1, 100)), "FullyConnectedOptions")
        z = b.op("FULLY_CONNECTED", [y, b.constant(weights.T + 1)], b.tensor((1, 4)), "FullyConnectedOptions")
        x = z
    b.constant(np.ones(1000, np.float32))
    b.outputs = [x]
    found = by_id(written(tmp_path, b))
    assert found["duplicate-data"].file_bytes == 2 * weights.nbytes
    assert found["unused-data"].file_bytes == 4000
    assert found["unused-data"].cost == 0
    assert found["unused-data"].share == found["unused-data"].file_share > 0.3


def test_a_file_that_cannot_be_imported_is_looked_at_as_a_file(tmp_path: Path) -> None:
    b = Builder()
    x = b.input((1, 8, 8, 32))
    signs = b.op("SIGN", [x], b.tensor((1, 8, 8, 32)))
    weights = np.where(np.random.default_rng(1).random((32, 3, 3, 32)) < 0.5, -1, 1).astype(np.float32)
    out = b.op(
        "CONV_2D",
        [signs, b.constant(weights), b.constant(np.zeros(32, np.float32))],
        b.tensor((1, 8, 8, 32)),
        "Conv2DOptions",
        padding=0,
        stride_h=1,
        stride_w=1,
    )
    b.outputs = [out]
    path = tmp_path / "plain.tflite"
    path.write_bytes(b.content())
    found = by_id(lint_file(read_model(path)))
    assert places(found["unpacked-weights"]) == [(1, "CONV_2D")]
    assert "SIGN" in found["unpacked-weights"].places[0].detail
    assert found["unpacked-weights"].file_share > 0.9
    assert found["unpacked-weights"].cost_share == pytest.approx(15 / 16)


def test_weights_of_one_size_in_each_channel_are_binary() -> None:
    rng = np.random.default_rng(3)
    signs = np.where(rng.random((4, 3, 3, 8)) < 0.5, -1, 1).astype(np.float32)
    sizes = np.array([0.5, 1, 2, 3], np.float32).reshape(4, 1, 1, 1)
    assert is_binary(signs * sizes)
    assert not is_binary(signs * 0)
    assert not is_binary(np.abs(signs))
    assert not is_binary(rng.normal(size=signs.shape).astype(np.float32))
    assert not is_binary(signs[:, :1, :1])
    assert not is_binary(signs.astype(np.int8))
    assert not is_binary(signs.reshape(4, -1))
    assert not is_binary(None)


def test_damaged_files_are_models_or_errors(tmp_path: Path) -> None:
    whole = bytearray((Path(__file__).parents[1] / "golden" / "tiny_larq.tflite").read_bytes())
    rng = np.random.default_rng(11)
    path, looked_at = tmp_path / "damaged.tflite", 0
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(8, len(whole), 6):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            model = read_model(path)
        except ModelError:
            continue
        looked_at += 1
        try:
            graph = graph_of(model)
            found = lint_model(model, graph, make_plan(graph))
        except ModelError:
            found = lint_file(model)
        for finding in found.findings:
            assert np.isfinite([finding.cost, finding.share]).all()
            assert min(finding.cost, finding.file_bytes, finding.share) >= 0
    assert looked_at > 20
