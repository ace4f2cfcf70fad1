"""Plans of whole models against Larq Compute Engine's own outputs, and the reference interpreter's."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from bnnbench.kernels.models import describe
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.interpreter import VARIANTS, interpret
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.plan.fusion import FUSIONS
from bnnbench.kernels.models.subgraph import subgraph
from bnnbench.kernels.models.tflite_file import read

from .plan_interpreter import run_plan

GOLDEN = Path(__file__).parents[1] / "golden"
LARGE = os.environ.get("BNNBENCH_GOLDEN")
TINY = sorted(GOLDEN.glob("*.tflite"))

# What is allowed beyond 1e-5 of the largest value, where LCE itself is off (test_models_layers.py says how).
LOOSE = {"tiny_bmaxpool": 2e-5}
STEPS = {"QuickNetSmall": (63, 31), "BiRealNet": (59, 27), "QuickNetSmall_int8": (95, 35)}


def large(name: str) -> Path:
    if not LARGE:
        pytest.skip("BNNBENCH_GOLDEN is not set: the folder with the full-size golden models")
    return Path(LARGE) / f"{name}.tflite"


@pytest.mark.parametrize("without", [frozenset(), frozenset(FUSIONS)], ids=["fused", "plain"])
@pytest.mark.parametrize("path", TINY, ids=lambda path: path.stem)
def test_tiny_models(path: Path, without: frozenset[str]) -> None:
    with np.load(path.with_suffix(".npz")) as golden:
        x, truth = golden["input"], golden["output"]
    model = read(path)
    batch = len(x) // import_model(model).inputs[0].shape[0]
    graph = import_model(model, batch)
    (output,) = run_plan(make_plan(graph, without=without).to_bytes(), [x])
    (reference,) = interpret(graph, [x]).outputs
    np.testing.assert_array_equal(output.reshape(reference.shape), reference)
    if path.stem == "tiny_int8":  # LCE's kernels round int8 otherwise
        (lce,) = interpret(graph, [x], variant=VARIANTS["x86"]).outputs
        np.testing.assert_array_equal(lce.reshape(truth.shape), truth)
    elif path.stem != "tiny_odd":  # there LCE is wrong: SAME zero-padding with dilation on a small map
        gap = np.abs(output.reshape(truth.shape).astype(np.float64) - truth).max()
        assert gap <= LOOSE.get(path.stem, 1e-5) * np.abs(truth).max()


@pytest.mark.parametrize("name", ["QuickNetSmall", "QuickNetSmall_int8", "BiRealNet"])
def test_large_models(name: str) -> None:
    path = large(name)
    with np.load(path.with_suffix(".npz")) as golden:
        x = golden["input"][:1]
    graph = import_model(read(path))
    plan = make_plan(graph)
    (output,) = run_plan(plan.to_bytes(), [x])
    (reference,) = interpret(graph, [x]).outputs
    np.testing.assert_array_equal(output.reshape(reference.shape), reference)
    assert (len(graph.nodes), len(plan.steps)) == STEPS[name]


@pytest.mark.parametrize("name", ["QuickNetSmall", "BiRealNet", "BinaryDenseNet28", "RealToBinaryNet"])
def test_macs_are_the_models(name: str) -> None:
    """Fusing neither loses nor counts twice."""
    model = read(large(name))
    description = describe(model)
    for without in (frozenset[str](), frozenset(FUSIONS)):
        steps = make_plan(import_model(model), without=without).steps
        assert sum(step.macs_1bit for step in steps) == description.macs_1bit
        assert sum(step.macs_32bit for step in steps) == description.macs_32bit


@pytest.mark.parametrize("path", TINY, ids=lambda path: path.stem)
def test_each_op_by_itself(path: Path) -> None:
    """With the reference's own inputs, so that no difference is carried on."""
    graph = import_model(read(path))
    with np.load(path.with_suffix(".npz")) as golden:
        x = golden["input"][: graph.inputs[0].shape[0]]
    values = {**interpret(graph, [x], keep=True).values, graph.inputs[0].name: x}
    for node in graph.nodes:
        one = subgraph(graph, node)
        assert one.outputs == (node.output,)
        inputs = [values[tensor.name] for tensor in one.inputs]
        (output,) = run_plan(make_plan(one).to_bytes(), inputs)
        right = values[node.output.name]
        np.testing.assert_array_equal(output.reshape(right.shape), right, err_msg=node.op)


def test_subgraph_takes_each_computed_input_once() -> None:
    graph = import_model(read(GOLDEN / "tiny_larq.tflite"))
    for node in graph.nodes:
        one = subgraph(graph, node)
        assert len(set(one.inputs)) == len(one.inputs) >= 1
        assert all(tensor.data is None for tensor in one.inputs)
    other = import_model(read(GOLDEN / "tiny_larq.tflite"))
    with pytest.raises(ValueError, match="is not a node of this graph"):
        subgraph(graph, other.nodes[0])
