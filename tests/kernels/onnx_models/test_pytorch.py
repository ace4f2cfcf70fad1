"""What PyTorch exports is what PyTorch computes: by the reference, by the native engine, and by onnxruntime."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import cache, partial

import numpy as np
import onnxruntime
import pytest

from bnnbench.kernels.models.datasets import Dataset
from bnnbench.kernels.models.formats import FORMATS, graph_of, read_model
from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.interpreter import interpret
from bnnbench.kernels.models.operations import (
    BinaryConv2d,
    BitDequantize,
    BitQuantize,
    Conv2d,
    Dense,
    Elementwise,
    Transpose,
)
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.predictions import compute_classes
from tests.kernels.engine_process import EngineProcess
from tests.kernels.onnx_models import pytorch_models as pytorch
from tests.kernels.onnx_models.pytorch_models import FOLDER, MODELS, Array, network_of, predictions, recipe
from tests.kernels.onnx_models.sign_choices import flips_to
from tests.kernels.onnx_models.test_importer import TOLERANCE
from tests.kernels.test_native_model import level_engine
from tests.kernels.trace_replay import differences

__all__ = ["level_engine"]
MOST_BYTES = 1_500_000
FEW = 100


@pytest.fixture(scope="module")
def fashion() -> Dataset:
    return pytorch.fashion()


@cache
def graph(model: str) -> Graph:
    return graph_of(read_model(MODELS[model]))


def near(right: Array, found: Array) -> bool:
    """Class scores that are equal but for roundings."""
    return bool(np.abs(found.reshape(-1) - right).max() < TOLERANCE * np.abs(right).max())


def test_what_is_there_is_what_was_exported(fashion: Dataset) -> None:
    for model, path in MODELS.items():
        told, (classes, logits) = recipe(model), predictions(model)
        assert told["files"][path.name] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert told["test_accuracy"] == (classes == fashion.labels).mean() > 0.85
        assert told["test_accuracy"] == pytest.approx(told["held_out_accuracy"], abs=0.015)
        assert np.array_equal(logits.argmax(1), classes[: len(logits)])
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST_BYTES


@pytest.mark.parametrize("model", MODELS)
def test_every_binary_layer_is_one(model: str) -> None:
    """All that stays float are the stem, the convolution of a shortcut, and the head."""
    network = network_of(model)
    nodes = graph(model).nodes
    kinds = Counter(type(node.operation) for node in nodes)
    assert kinds[BinaryConv2d] == pytorch.BINARY_LAYERS[network]
    assert (kinds[Conv2d], kinds[Dense]) == ({"bireal": 2, "reactnet": 1}[network], 1)
    assert not kinds.keys() & {BitDequantize, Transpose}
    assert [node.op for node in nodes if isinstance(node.operation, BitQuantize)] == pytorch.SIGNS[network]


@pytest.mark.parametrize("network", pytorch.BINARY_LAYERS)
def test_both_exporters_give_the_same_binary_layers(network: str) -> None:
    layers = [
        [node.operation for node in graph(f"{network}_{exporter}").nodes if isinstance(node.operation, BinaryConv2d)]
        for exporter in pytorch.EXPORTERS
    ]
    for one, other in zip(*layers, strict=True):
        assert one.spec == other.spec
        assert np.array_equal(one.filter, other.filter)
        assert one.multiplier is not None
        assert other.multiplier is not None
        assert np.allclose(one.multiplier, other.multiplier, rtol=1e-6, atol=0)


def test_shifts_are_a_number_for_each_channel() -> None:
    """`shift.expand_as(x)` makes no constants of an image's size."""
    for model in ("reactnet_dynamo", "reactnet_script"):
        shifts = [
            tensor.data
            for node in graph(model).nodes
            if isinstance(node.operation, Elementwise)
            for tensor in node.inputs
            if tensor.data is not None
        ]
        assert len(shifts) == 6 + 2 * 6  # of each RSign, and before and after each RPReLU
        assert {shift.size for shift in shifts} == {32, 64}


@pytest.mark.parametrize("model", MODELS)
def test_the_scores_are_pytorchs(fashion: Dataset, model: str) -> None:
    """Within 1e-5 of the largest, for some choice of the signs that are too close to zero to call."""
    _, logits = predictions(model)
    assert unexplained(model, fashion, logits, range(FEW)) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("model", MODELS)
def test_all_scores_are_pytorchs(fashion: Dataset, model: str) -> None:
    _, logits = predictions(model)
    assert unexplained(model, fashion, logits, range(len(logits))) == []


def unexplained(model: str, fashion: Dataset, right: Array, places: range) -> list[int]:
    """Images whose scores no choice of unsure signs gives."""
    return [
        place
        for place in places
        if flips_to(graph(model), fashion.inputs(slice(place, place + 1)), partial(near, right[place])) is None
    ]


@pytest.mark.parametrize("model", MODELS)
def test_the_scores_are_onnxruntimes(fashion: Dataset, model: str) -> None:
    assert unexplained(model, fashion, ran(model, fashion.inputs(slice(0, FEW))), range(FEW)) == []


def ran(model: str, images: Array) -> Array:
    """onnxruntime's scores [n, 10]."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(MODELS[model], settings, providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"image": np.ascontiguousarray(images.transpose(0, 3, 1, 2))})
    return np.asarray(scores)


@pytest.mark.timeout(300)
def test_the_native_engine_computes_each_step(fashion: Dataset, level_engine: EngineProcess) -> None:
    images = [fashion.inputs(slice(place, place + 1)) for place in (0, 5000)]
    wrong = {
        model: [differences(level_engine, make_plan(graph(model)).to_bytes(), [image]) for image in images]
        for model in MODELS
    }
    assert wrong == {model: [[], []] for model in MODELS}


@pytest.mark.parametrize("model", MODELS)
def test_no_value_before_a_sign_is_zero(fashion: Dataset, model: str) -> None:
    """So that ONNX's Sign of 0, which is PyTorch's, makes no difference on real images."""
    assert zeros_of(model, fashion, FEW)[0] == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("model", ["bireal_dynamo", "reactnet_dynamo"])
def test_values_of_all_images_are_hardly_ever_zero(fashion: Dataset, model: str) -> None:
    """RSign's sum of two floats is a multiple of the smaller one's last bit, and so exactly 0 now and then: of `bireal`
    no value was, of `reactnet` 3 of 266,560,000."""
    zeros, count = zeros_of(model, fashion, len(fashion))
    assert count == len(fashion) * VALUES[model.split("_")[0]]
    assert zeros <= 10


@pytest.mark.parametrize("exporter", pytorch.EXPORTERS)
def test_images_with_a_zero_have_pytorchs_class(fashion: Dataset, exporter: str) -> None:
    """Of it PyTorch makes 0, and bnnbench +1."""
    model = f"reactnet_{exporter}"
    as_written = FORMATS["onnx"].as_written(read_model(MODELS[model]))
    for place in (1528, 3199, 5582):
        x = fashion.inputs(slice(place, place + 1))
        for found in (graph(model), as_written):
            assert interpret(found, [x]).outputs[0].argmax() == predictions(model)[0][place]


VALUES = {
    "bireal": 2 * 32 * 14 * 14 + 32 * 14 * 14 + 64 * 7 * 7,
    "reactnet": 3 * 32 * 14 * 14 + 32 * 7 * 7 + 2 * 64 * 7 * 7,
}
"""Before all signs, of one image."""


def zeros_of(model: str, fashion: Dataset, count: int) -> tuple[int, int]:
    """How many values before a sign are 0 on the first images, of how many."""
    batch = graph_of(read_model(MODELS[model]), FEW)
    signed = [node.inputs[0].name for node in batch.nodes if isinstance(node.operation, BitQuantize)]
    zeros = values = 0
    for start in range(0, count, FEW):
        kept = interpret(batch, [fashion.inputs(slice(start, start + FEW))], keep=True).values
        zeros += sum(int((kept[name] == 0).sum()) for name in signed)
        values += sum(kept[name].size for name in signed)
    return zeros, values


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("model", MODELS)
def test_all_classes_are_pytorchs(fashion: Dataset, model: str) -> None:
    """Image by image; another class is that of some choice of the signs that are too close to call."""
    classes, _ = predictions(model)
    found = compute_classes(read_model(MODELS[model]), fashion)
    differing = np.flatnonzero(found != classes)
    assert len(differing) <= 10  # 0.1 %
    for place in differing:
        image = fashion.inputs(slice(place, place + 1))
        assert flips_to(graph(model), image, partial(is_class, int(classes[place]))) is not None, place


def is_class(right: int, scores: Array) -> bool:
    """The class with the largest score, or one with a score as large but for roundings."""
    row = scores.reshape(-1)
    return bool(row[right] >= row.max() - TOLERANCE * np.abs(row).max())
