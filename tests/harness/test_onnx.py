"""ONNX models through whole commands: as a `.tflite`, they are described, measured, computed and compared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from bnnbench.kernels.engines.installation import installed
from tests.harness.bench import Bench, one_sentence
from tests.kernels.onnx_models.builder import Network

pytestmark = pytest.mark.timeout(240)
QUICK = ("--invocations", "1")


def write_model(path: Path, activation: str = "") -> Path:
    """Two binary convolutions with a shortcut, ten classes; `activation` before the first sign."""
    net = Network(("N", 3, 12, 12), seed=2)
    x = net.norm(net.conv("x", net.floats(32, 3, 3, 3), pad=1), 32)
    x = net.op(activation, x) if activation else x
    for stride in (1, 2):
        y = net.norm(net.conv(net.op("Sign", x), net.binary(32, 32, 3, 3), pad=1, stride=stride), 32)
        short = net.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]) if stride == 2 else x
        x = net.op("Add", y, short)
    rows = net.op("Flatten", net.op("GlobalAveragePool", x))
    logits = net.op("Gemm", rows, net.floats(10, 32), net.rng.normal(0, 1, 10), transB=1)
    path.write_bytes(net.model(logits).SerializeToString())
    return path


def test_it_is_described(bench: Bench) -> None:
    path = write_model(bench.folder / "net.onnx")
    found = json.loads(bench.run("model", "info", path, "--json").stdout)
    assert found["macs_1bit"] == 12 * 12 * 32 * 288 + 6 * 6 * 32 * 288
    assert found["bytes_by_kind"]["bits"] == 2 * 32 * 9 * 4
    assert [port["shape"] for port in (*found["inputs"], *found["outputs"])] == [[1, 12, 12, 3], [1, 10]]


def test_it_is_measured_and_reported(bench: Bench) -> None:
    write_model(bench.folder / "net.onnx")
    engines = ["-e", "native", "-e", "numba", *(("-e", "onnxruntime") if installed("onnxruntime") else ())]
    done = bench.run("run", "net.onnx", *engines, *QUICK, "--store", "store")
    assert done.returncode == 0, done.stdout + done.stderr
    run = bench.store.run("latest")
    proven = {case.engine: run.gates[case.id].status for case in run.record.cases}
    assert proven == {name: "ok" for name in engines[1::2] if name != "numba"}
    assert [skip.reason for skip in run.record.skips] == ["the engine 'numba' runs no models"]
    assert bench.run("report", "latest", "--store", "store", "-o", "page").returncode == 0
    assert "net" in (bench.folder / "page/index.html").read_text()


@pytest.mark.skipif(installed("onnxruntime") is None, reason="not installed: bnnbench engines install onnxruntime")
def test_onnxruntime_has_no_ops_of_qonnx(bench: Bench) -> None:
    net = Network((1, 8, 6, 6))
    signs = net.op("BipolarQuant", "x", np.array(0.5, np.float32))
    model = net.model(net.conv(signs, net.binary(16, 8, 3, 3)))
    (bench.folder / "net.onnx").write_bytes(model.SerializeToString())
    done = bench.run("run", "net.onnx", "-e", "native", "-e", "onnxruntime", *QUICK, "--store", "store")
    run = bench.store.run("latest")
    found = {case.engine: run.gates[case.id] for case in run.record.cases}
    assert found["native"].status == "ok", done.stdout + done.stderr
    assert found["onnxruntime"].reason == (
        "engine 'onnxruntime' refused load: the runtime onnxruntime has no op BipolarQuant."
    )


def test_its_layers_are_measured(bench: Bench) -> None:
    write_model(bench.folder / "net.onnx")
    done = bench.run("run", "net.onnx", "--layers", "-e", "native", *QUICK, "--store", "store")
    assert done.returncode == 0, done.stdout + done.stderr
    run = bench.store.run("latest")
    names = [case.workload for case in run.record.cases if case.engine == "native"]
    assert names == ["net", "net/op3 bconv2d 12x12x32->32 3x3 pad0", "net/op7 bconv2d 14x14x32->32 3x3 s2 valid pad0"]
    assert {gate.status for gate in run.gates.values()} == {"ok"}


def test_what_differs_at_zero_is_said(bench: Bench) -> None:
    """After a Relu half of the values are 0, of which ONNX's sign is 0."""
    write_model(bench.folder / "net.onnx", "Relu")
    engines = ["-e", "native", *(("-e", "onnxruntime") if installed("onnxruntime") else ())]
    done = bench.run("run", "net.onnx", *engines, *QUICK, "--store", "store")
    assert done.returncode == 0, done.stdout + done.stderr
    run = bench.store.run("latest")
    reasons = [run.gates[case.id].reason or "" for case in run.record.cases]
    assert all("values before a Sign are 0, of which ONNX makes 0, and bnnbench +1" in reason for reason in reasons)
    assert [("of 0 its Sign is 0" in reason) for reason in reasons] == [False, True][: len(reasons)]


def test_it_computes_what_onnxruntime_computes(bench: Bench) -> None:
    path = write_model(bench.folder / "net.onnx")
    images = np.random.default_rng(4).uniform(-1, 1, (5, 12, 12, 3)).astype(np.float32)
    np.save(bench.folder / "images.npy", images)
    done = bench.run("infer", "net.onnx", "--input", "images.npy", "--output", "scores.npy")
    assert done.returncode == 0, done.stderr
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    (right,) = session.run(None, {"x": np.ascontiguousarray(images.transpose(0, 3, 1, 2))})
    found = np.load(bench.folder / "scores.npy").reshape(5, 10)
    assert np.abs(found - right).max() < 1e-5 * np.abs(right).max()


def test_what_cannot_be_read_is_one_sentence(bench: Bench) -> None:
    path = bench.folder / "net.onnx"
    path.write_bytes(b"nothing")
    done = bench.run("run", "net.onnx")
    assert done.returncode == 2
    assert "net.onnx is damaged" in one_sentence(done.stderr)
    net = Network((1, 3, 8, 8))
    path.write_bytes(net.model(net.op("Erf", "x")).SerializeToString())
    assert "node 0 (Erf) cannot be imported: this op is not supported" in one_sentence(
        bench.run("run", "net.onnx").stderr
    )


def write_int8_model(path: Path) -> Path:
    """A few layers in QDQ form. Averages are halves, which onnxruntime's sums of floats miss."""
    scale, zero, net = np.float32(0.0371), np.uint8(128), Network(("N", 8, 12, 12), seed=2)

    def quantized(x: str) -> str:
        return net.op("DequantizeLinear", net.op("QuantizeLinear", x, scale, zero), scale, zero)

    def weights(*shape: int) -> str:
        return net.op("DequantizeLinear", net.rng.integers(-9, 10, shape).astype(np.int8), np.float32(1 / 64))

    x = quantized("x")
    y = quantized(net.op("Relu", net.conv(x, weights(8, 8, 3, 3), pad=1)))
    y = quantized(net.op("AveragePool", quantized(net.op("Add", y, x)), kernel_shape=[2, 2], strides=[2, 2]))
    rows = quantized(net.op("Flatten", y))
    path.write_bytes(net.model(quantized(net.op("Gemm", rows, weights(10, 288), transB=1))).SerializeToString())
    return path


def test_an_int8_model_is_described_and_proven(bench: Bench) -> None:
    path = write_int8_model(bench.folder / "net.onnx")
    found = json.loads(bench.run("model", "info", path, "--json").stdout)
    assert found["bytes_by_kind"]["int8"] == 8 * 8 * 9 + 10 * 288
    assert [op["op"] for op in found["rows"] if "int8" not in op["inputs"]] == ["QuantizeLinear"]
    engines = ["-e", "native", *(("-e", "onnxruntime") if installed("onnxruntime") else ())]
    done = bench.run("run", "net.onnx", *engines, *QUICK, "--store", "store")
    assert done.returncode == 0, done.stdout + done.stderr
    run = bench.store.run("latest")
    gates = [run.gates[case.id] for case in run.record.cases]
    assert {gate.status for gate in gates} == {"ok"}
    if installed("onnxruntime"):
        assert [[name.split()[0] for name in gate.confirmed_by or []] for gate in gates] == [["onnxruntime"]] * 2
