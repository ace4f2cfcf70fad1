"""Whole networks: as onnxruntime computes them, and on the native engine step by step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bnnbench.kernels.models.graph import BinaryConv2d
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.toolchain import build_native
from tests.kernels.engine_process import HOST, EngineProcess
from tests.kernels.onnx_models.networks import NETWORKS, network
from tests.kernels.onnx_models.test_importer import TOLERANCE, computed, far, graph, ran, stored
from tests.kernels.trace_replay import differences

BINARY_LAYERS = {"bireal18": 16, "reactnet_a": 31, "xnor_alexnet": 6, "resnet18": 0, "mobilenet_v2": 0}


@pytest.mark.timeout(280)
@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_proven(name: str, tmp_path: Path) -> None:
    content = network(name)
    found = graph(content)
    binary = [node for node in found.nodes if isinstance(node.operation, BinaryConv2d)]
    assert len(binary) == BINARY_LAYERS[name]
    size = NETWORKS[name][1]
    x = np.random.default_rng(1).uniform(-1, 1, (1, 3, size, size)).astype(np.float32)
    assert far(computed(found, x), ran(content, x)) < TOLERANCE
    with EngineProcess([build_native(HOST).path], tmp_path) as engine:
        assert differences(engine, make_plan(found).to_bytes(), [stored(x)]) == []
