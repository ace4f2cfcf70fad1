"""Networks that Brevitas exported, against what PyTorch computed: see brevitas/make.py."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest

from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.operations import BinaryConv2d
from bnnbench.kernels.models.plan import make_plan
from tests.kernels.engine_process import EngineProcess
from tests.kernels.onnx_models.test_importer import TOLERANCE, Array, computed, far, graph, ran, stored
from tests.kernels.test_native_model import level_engine
from tests.kernels.trace_replay import differences

__all__ = ["level_engine"]
FOLDER = Path(__file__).parent / "brevitas"
BINARY_LAYERS = {"tfc_w1a1": 4, "cnv_w1a1": 8, "mobilenet": 5}


def file(name: str) -> bytes:
    return lzma.decompress((FOLDER / f"{name}.onnx.xz").read_bytes())


def network(name: str) -> Graph:
    return graph(file(name))


def images(name: str) -> tuple[Array, Array]:
    """Images of 0 to 1, and PyTorch's outputs."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return arrays["images"].astype(np.float32) / np.float32(255), arrays["outputs"]


@pytest.mark.parametrize("name", BINARY_LAYERS)
def test_it_computes_what_pytorch_computed(name: str) -> None:
    found = network(name)
    assert sum(isinstance(node.operation, BinaryConv2d) for node in found.nodes) == BINARY_LAYERS[name]
    inputs, outputs = images(name)
    for x, right in zip(inputs, outputs, strict=True):
        assert far(computed(found, x[None]), right[None]) < TOLERANCE
        assert far(ran(file(name), x[None]), right[None]) < TOLERANCE


@pytest.mark.timeout(300)
def test_the_native_engine_computes_each_step(level_engine: EngineProcess) -> None:
    for name in BINARY_LAYERS:
        x = images(name)[0][:1]
        assert differences(level_engine, make_plan(network(name)).to_bytes(), [stored(x)]) == [], name
