"""MobileNets on the native engine, against LiteRT's reference kernels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.tflite_file import parse
from bnnbench.kernels.toolchain import build_native

from .engine_process import HOST, EngineProcess
from .judges import Judge
from .mobilenets import MODELS
from .model_builder import PATH
from .test_every_op import run_native

SIZE = 64
"""Of images: the smallest whose last feature map has more than one pixel."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with EngineProcess([build_native(HOST).path], tmp_path_factory.mktemp("engine")) as process:
        yield process


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    one = Judge("litert-reference", tmp_path_factory.mktemp("judge"))
    yield one
    one.close()


@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_those_of_litert(name: str, engine: EngineProcess, judge: Judge) -> None:
    """Classes' probabilities, up to how rounding errors add up over some fifty layers."""
    content = MODELS[name]("f32", SIZE)
    x = np.random.default_rng(3).standard_normal((1, SIZE, SIZE, 3)).astype(np.float32)
    (right,) = judge.outputs(content, [x])
    found = run_native(engine, import_model(parse(content, PATH), 1), x)
    assert isinstance(right, np.ndarray)
    assert right.max() > 0.05  # something stands out
    np.testing.assert_allclose(found, right.ravel(), rtol=2e-4, atol=1e-7)


@pytest.mark.parametrize("name", MODELS)
def test_int8_outputs_are_those_of_litert(name: str, engine: EngineProcess, judge: Judge) -> None:
    content = MODELS[name]("int8", SIZE)
    x = np.random.default_rng(4).integers(-128, 128, (1, SIZE, SIZE, 3)).astype(np.int8)
    (right,) = judge.outputs(content, [x])
    found = run_native(engine, import_model(parse(content, PATH), 1), x)
    assert isinstance(right, np.ndarray)
    assert right.max() > -110
    assert np.array_equal(found, right.ravel())
