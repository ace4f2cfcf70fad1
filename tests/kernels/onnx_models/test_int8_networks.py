"""Whole int8 networks: as onnxruntime classifies with them, and on the native engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType

from bnnbench.kernels.models.interpreter import interpret
from bnnbench.kernels.models.operations import BinaryConv2d, Conv2d, Dense, DepthwiseConv2d
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.toolchain import build_native
from tests.kernels.engine_process import HOST, EngineProcess
from tests.kernels.onnx_models.networks import NETWORKS as LITERATURE
from tests.kernels.onnx_models.networks import network as literature
from tests.kernels.onnx_models.quantized import (
    FITTED,
    NETWORKS,
    SHOWN,
    check,
    fitted,
    images,
    quantized,
    steps_of_onnxruntime,
    taken_over,
)
from tests.kernels.onnx_models.test_importer import graph, stored
from tests.kernels.test_golden_models import run
from tests.kernels.test_native_model import level_engine
from tests.kernels.trace_replay import differences

__all__ = ["level_engine"]
Array = NDArray[Any]
WAYS: Mapping[str, Mapping[str, Any]] = {
    "uint8, weights by channel": {},
    "int8": {"activation_type": QuantType.QInt8, "per_channel": False},
    "symmetric": {"activation_type": QuantType.QInt8, "extra_options": {"ActivationSymmetric": True}},
    "uint8 weights": {"weight_type": QuantType.QUInt8, "extra_options": {"WeightSymmetric": True}},
}


def network(name: str, way: str) -> bytes:
    pixels, _ = images()
    return quantized(fitted(name), [pixels[place : place + 1] for place in range(SHOWN)], **WAYS[way])


@pytest.mark.timeout(200)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_classify_real_images_as_onnxruntime_does(name: str, way: str) -> None:
    content, (pixels, classes) = network(name, way), images()
    count = 200
    x, right = pixels[FITTED : FITTED + count], classes[FITTED : FITTED + count]
    found = graph(content, count)
    weighted = [node for node in found.nodes if isinstance(node.operation, Conv2d | DepthwiseConv2d | Dense)]
    assert {node.inputs[0].dtype for node in weighted} == {"i8"}
    assert any(isinstance(node.operation, BinaryConv2d) for node in found.nodes) == (name == "beside_binary")
    (mine,), (theirs, steps) = interpret(found, [stored(x)]).outputs, steps_of_onnxruntime(content, x)
    assert np.array_equal(mine.argmax(axis=1), theirs.argmax(axis=1))
    assert (mine.argmax(axis=1) == right).mean() > 0.7  # the networks do classify
    explained = taken_over(found, x, steps)
    assert [flip for flip in explained.flips if flip.wrong] == []
    assert sum(flip.unsure for flip in explained.flips) < 1e-5 * sum(array.size for array in steps.values())
    assert np.allclose(explained.outputs[0], theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.timeout(300)
def test_networks_on_every_level(level_engine: EngineProcess) -> None:
    """To the last bit: whole numbers, then floats in one order."""
    pixels, _ = images()
    for name in NETWORKS:
        found = graph(network(name, "uint8, weights by channel"))
        plan, x = make_plan(found).to_bytes(), stored(pixels[FITTED : FITTED + 1])
        assert differences(level_engine, plan, [x]) == [], name
        if name != "beside_binary":  # signs of floats there
            assert run(level_engine, plan, x).tobytes() == interpret(found, [x]).outputs[0].tobytes(), name


@pytest.mark.slow
@pytest.mark.timeout(280)
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_networks_of_the_literature(name: str, tmp_path: Path) -> None:
    size = LITERATURE[name][1]
    rng = np.random.default_rng(5)
    inputs = [rng.uniform(-1, 1, (1, 3, size, size)).astype(np.float32) for _ in range(4)]
    found = check(quantized(literature(name), inputs), inputs[0])
    assert {node.inputs[0].dtype for node in found.nodes} == {"f32", "i8"}
    assert [node.op for node in found.nodes if node.inputs[0].dtype == "f32"] == ["QuantizeLinear"]
    with EngineProcess([build_native(HOST).path], tmp_path) as engine:
        plan, x = make_plan(found).to_bytes(), stored(inputs[0])
        assert differences(engine, plan, [x]) == []
        assert run(engine, plan, x).tobytes() == interpret(found, [x]).outputs[0].tobytes()
