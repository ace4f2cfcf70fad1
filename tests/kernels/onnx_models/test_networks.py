"""Whole networks: as onnxruntime computes them, on every ISA level of the native engine, and by Numba's kernels."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.onnx_file import parse_onnx
from bnnbench.kernels.models.onnx_importer.layers import onnx_layers
from bnnbench.kernels.models.operations import BinaryConv2d
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.toolchain import build_native
from tests.kernels.engine_process import HOST, EngineProcess
from tests.kernels.onnx_models.networks import FULL_SIZES, NETWORKS, network
from tests.kernels.onnx_models.proof import proven_by_onnxruntime, proven_on
from tests.kernels.onnx_models.test_importer import Array, graph, stored
from tests.kernels.test_models_layers import assert_layer
from tests.kernels.test_native_model import level_engine
from tests.kernels.trace_replay import differences

__all__ = ["level_engine"]
BINARY_LAYERS = {
    "bireal18": 16,
    "reactnet_a": 31,
    "xnor_alexnet": 6,
    "resnet18": 0,
    "mobilenet_v2": 0,
    "binary_densenet28": 23,
    "vgg_small": 8,
    "real_to_binary": 16,
    "shufflenet_v2": 0,
}


@cache
def small(name: str) -> tuple[bytes, Graph, Array]:
    """The file, its graph, and an image."""
    return sized(name, NETWORKS[name][1])


def sized(name: str, size: int) -> tuple[bytes, Graph, Array]:
    content = network(name, size)
    x = np.random.default_rng(1).uniform(-1, 1, (1, 3, size, size)).astype(np.float32)
    return content, graph(content), x


@pytest.mark.timeout(280)
@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_proven(name: str, tmp_path: Path) -> None:
    content, found, x = small(name)
    assert sum(isinstance(node.operation, BinaryConv2d) for node in found.nodes) == BINARY_LAYERS[name]
    assert proven_by_onnxruntime(content, found, x) < 20
    with EngineProcess([build_native(HOST).path], tmp_path) as engine:
        assert differences(engine, make_plan(found).to_bytes(), [stored(x)]) == []


@pytest.mark.timeout(900)
@pytest.mark.parametrize("of_all", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["some", "all"])
@pytest.mark.parametrize("name", [name for name, layers in BINARY_LAYERS.items() if layers])
def test_numba_computes_its_binary_layers(name: str, of_all: bool) -> None:
    """Bit for bit, with the network's weights."""
    layers = onnx_layers(parse_onnx(small(name)[0], Path("model.onnx")))
    assert len(layers) == BINARY_LAYERS[name]
    for layer in layers if of_all else layers[:: len(layers) // 3]:
        assert_layer(layer)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_isa_level(level_engine: EngineProcess) -> None:
    for name in NETWORKS:
        _, found, x = small(name)
        assert proven_on(level_engine, found, x) < 20, name


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NETWORKS)
def test_in_full_size(name: str, tmp_path: Path) -> None:
    content, found, x = sized(name, FULL_SIZES.get(name, 224))
    assert proven_by_onnxruntime(content, found, x) < 200
    with EngineProcess([build_native(HOST).path], tmp_path) as engine:
        assert proven_on(engine, found, x) < 200
