"""Models of uint8 ends and of int8 weights for floats, through the whole command line: proven, inferred, evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bnnbench.harness.workload.inputs import extremes, grid
from bnnbench.harness.workload.model import ModelWorkload
from bnnbench.kernels.engines.installation import installed
from bnnbench.kernels.models.interpreter import interpret
from bnnbench.kernels.models.tflite_file import read
from bnnbench.results.store.runs import Store
from tests.harness.bench import Bench, one_sentence
from tests.kernels.model_builder import Builder
from tests.kernels.test_8_bit_tables import pixels, uint8_model

needs_litert = pytest.mark.skipif(installed("litert") is None, reason="litert is not installed")


def dynamic_range() -> Builder:
    """A convolution and a dense layer of floats with int8 weights."""
    b, rng = Builder(), np.random.default_rng(4)
    options = {"padding": 0, "stride_h": 2, "stride_w": 2, "dilation_h_factor": 1, "dilation_w_factor": 1}
    weights = b.constant(rng.integers(-127, 128, (8, 3, 3, 3)).astype(np.int8), [0.01] * 8)
    bias = b.constant(rng.normal(0, 1, 8).astype(np.float32))
    y = b.op("CONV_2D", [b.input((1, 6, 6, 3)), weights, bias], b.tensor((1, 3, 3, 8)), "Conv2DOptions", **options)
    y = b.op("RELU", [y], b.tensor((1, 3, 3, 8)))
    dense = b.constant(rng.integers(-127, 128, (5, 72)).astype(np.int8), [0.02] * 5)
    out = b.tensor((1, 5))
    b.outputs = [b.op("FULLY_CONNECTED", [y, dense], out, "FullyConnectedOptions", asymmetric_quantize_inputs=True)]
    return b


def saved(bench: Bench, name: str, b: Builder) -> Path:
    path = bench.folder / f"{name}.tflite"
    path.write_bytes(b.content())
    return path


@needs_litert
def test_both_are_proven_and_what_others_round_is_said(bench: Bench) -> None:
    paths = saved(bench, "bytes", uint8_model()), saved(bench, "dynamic", dynamic_range())
    bench.measure(*map(str, paths), "--invocations", "1", "-e", "native,litert")
    run = Store(bench.folder / "store").run()
    cases = {case.id: (case.workload, case.engine) for case in run.record.cases}
    gates = {cases[id]: gate for id, gate in run.gates.items()}
    assert {gate.status for gate in gates.values()} == {"ok"}, [gate.reason for gate in gates.values()]
    assert all(gate.confirmed_by == ["litert-reference (ai-edge-litert 2.3.0)"] for gate in gates.values())
    rounding = {case: gate.rounding for case, gate in gates.items()}
    assert rounding["bytes", "native"] is rounding["dynamic", "native"] is None
    assert rounding["dynamic", "litert"] in ("hybrid", "xnnpack")  # they seldom differ
    assert gates["dynamic", "litert"].reason is not None


def test_uint8_inputs_of_the_gate(tmp_path: Path) -> None:
    path = tmp_path / "bytes.tflite"
    path.write_bytes(uint8_model().content())
    workload = ModelWorkload("bytes", read(path), 0)
    (tensor,) = workload.graph.inputs
    for which in range(5):
        given = workload.input(which)
        assert (given.dtype, given.shape) == (np.dtype(np.uint8), tensor.shape)
    assert workload.input(0).min() < 20
    assert workload.input(0).max() > 235
    assert set(np.unique(extremes(workload.graph))) == {0, 37, 127, 255}
    assert len(np.unique(grid(workload.graph))) == tensor.bytes


def test_uint8_is_inferred_as_it_is(bench: Bench) -> None:
    path = saved(bench, "bytes", uint8_model())
    images = np.concatenate([pixels(), 255 - pixels()])
    np.save(bench.folder / "in.npy", images)
    done = bench.run("infer", str(path), "--input", "in.npy", "--output", "out.npy")
    assert done.returncode == 0, done.stderr
    graph = uint8_model().graph()
    right = np.concatenate([interpret(graph, [image[None]]).outputs[0] for image in images])
    found = np.load(bench.folder / "out.npy")
    assert found.dtype == np.uint8
    assert np.array_equal(found, right)
    np.save(bench.folder / "in.npy", images.astype(np.int8))
    refused = bench.run("infer", str(path), "--input", "in.npy", "--output", "out.npy")
    assert "the input is int8; the model takes uint8" in one_sentence(refused.stderr)


def test_uint8_images_go_to_a_uint8_model_as_they_are(bench: Bench) -> None:
    path = saved(bench, "bytes", uint8_model())
    images = np.random.default_rng(8).integers(0, 256, (20, 6, 5, 3)).astype(np.uint8)
    graph = uint8_model().graph()
    labels = [int(interpret(graph, [image[None]]).outputs[0].argmax()) for image in images]
    np.savez(bench.folder / "own.npz", images=images, labels=np.array(labels))
    done = bench.run("eval", str(path), "-e", "native", "--dataset", "own.npz", "--json", "--store", "store")
    assert done.returncode == 0, done.stderr
    (case,) = json.loads(done.stdout)["cases"]
    assert (case["status"], case["evaluation"]["differing"]) == ("ok", 0)
    assert case["evaluation"]["correct"] == 20
