"""A model with other sizes computes what LiteRT computes with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.formats import graph_of
from bnnbench.kernels.models.interpreter import interpret
from bnnbench.kernels.models.model import ModelFile
from bnnbench.kernels.models.open_sizes import require_sizes
from bnnbench.kernels.models.shapes import file_bytes, with_shapes
from bnnbench.kernels.models.tflite_file import read
from tests.kernels.judges import Judge
from tests.kernels.model_builder import Builder

RNG = np.random.default_rng(4)
CONV = {"stride_w": 2, "stride_h": 2, "dilation_w_factor": 1, "dilation_h_factor": 1, "padding": 0}


def network(shape: list[int] | None = None) -> bytes:
    """Any image to 5 numbers for each place, as a list of places, and to its mean; `shape` is that of the list."""
    b = Builder()
    x = b.input((1, 1, 1, 3))
    weights, bias = (RNG.uniform(-1, 1, size).astype("f4") for size in ((5, 3, 3, 3), (5,)))
    y = b.op("CONV_2D", [x, b.constant(weights), b.constant(bias)], b.tensor((1, 1, 1, 5)), "Conv2DOptions", **CONV)
    y = b.op("CONCATENATION", [y, y], b.tensor((1, 1, 1, 10)), "ConcatenationOptions", axis=3)
    margins = b.constant(np.array([[0, 0], [1, 0], [0, 2], [0, 0]], np.int32))
    y = b.op("PAD", [y, margins], b.tensor((1, 2, 3, 10)))
    listed = b.constant(np.array(shape or [1, -1, 10], np.int32))
    z = b.op("RESHAPE", [y, listed], b.tensor((1, 6, 10)), "ReshapeOptions")
    mean = b.op(
        *("MEAN", [y, b.constant(np.array([1, 2], np.int32))], b.tensor((1, 10)), "ReducerOptions"), keep_dims=False
    )
    b.open_axes = dict.fromkeys((x,), (0, 1, 2))
    return b.content(z, mean)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    found = Judge("litert-builtin", tmp_path_factory.mktemp("judge"))
    yield found
    found.close()


def sized(content: bytes, folder: Path, *shape: int) -> ModelFile:
    (folder / "m.tflite").write_bytes(content)
    return with_shapes(read(folder / "m.tflite"), {"": shape})


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (2, 7), (9, 4), (16, 33)])
def test_litert_agrees(size: tuple[int, int], batch: int, tmp_path: Path, judge: Judge) -> None:
    model = sized(network(), tmp_path, 1, *size, 3)
    graph = graph_of(model, batch)
    x = RNG.uniform(-1, 1, (batch, *size, 3)).astype("f4")
    mine = interpret(graph, [x]).outputs
    for place in range(batch):
        theirs = judge.outputs(file_bytes(model), [x[place : place + 1]])
        assert not isinstance(theirs, str), theirs
        for own, other in zip(mine, theirs, strict=True):
            assert own[place].shape == other[0].shape
            assert np.abs(own[place] - other[0]).max() < 1e-5


def test_a_shape_that_is_fixed_is_said(tmp_path: Path) -> None:
    model = sized(network([1, 6, 10]), tmp_path, 1, 8, 8, 3)
    with pytest.raises(ModelError, match=r"op 3 \(RESHAPE\) cannot be imported: .*different number of values"):
        graph_of(model)


def test_the_file_itself_is_not_changed(tmp_path: Path) -> None:
    content = network()
    model = sized(content, tmp_path, 1, 8, 8, 3)
    own = read(tmp_path / "m.tflite")
    assert (tmp_path / "m.tflite").read_bytes() == content
    assert (model.sha256, model.size_bytes) == (own.sha256, own.size_bytes)
    assert len(file_bytes(model)) == len(content)
    assert file_bytes(own) == content


def test_a_size_that_was_in_use_need_not_be_given(tmp_path: Path) -> None:
    b = Builder()
    x = b.input((1, 4, 6, 3))
    b.open_axes[x] = (0, 1, 2)
    (tmp_path / "m.tflite").write_bytes(b.content(b.op("ABS", [x], b.tensor((1, 4, 6, 3)))))
    model = read(tmp_path / "m.tflite")
    require_sizes(model)
    assert graph_of(model).outputs[0].shape == (1, 4, 6, 3)
    assert graph_of(with_shapes(model, {"t0": (1, 2, 2, 3)})).outputs[0].shape == (1, 2, 2, 3)
