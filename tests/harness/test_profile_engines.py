"""`bnnbench profile --engine` with the real runtimes, where they are installed; times themselves are not judged."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bnnbench as bnn
from bnnbench.kernels.engines.installation import installed
from tests.harness.bench import Bench, one_sentence
from tests.kernels.model_builder import Builder

ONNX = Path(__file__).parents[2] / "examples" / "pytorch" / "trained" / "bireal_script.onnx"
LARQ = Path(__file__).parents[1] / "golden" / "tiny_larq.tflite"


def require(runtime: str) -> None:
    if installed(runtime) is None:
        pytest.skip(f"not installed: bnnbench engines install {runtime}")


@pytest.fixture
def convolutions(tmp_path: Path) -> Path:
    """CONV_2D, a fused activation, SOFTMAX of a RESHAPE: all that XNNPACK takes."""
    b, rng = Builder(), np.random.default_rng(3)
    x = b.input((1, 32, 32, 16))
    for _ in range(2):
        weights = b.constant(rng.standard_normal((16, 3, 3, 16)).astype(np.float32))
        inputs = [x, weights, b.constant(np.zeros(16, np.float32))]
        options = {"padding": 0, "stride_h": 1, "stride_w": 1, "fused_activation_function": 1}
        x = b.op("CONV_2D", inputs, b.tensor((1, 32, 32, 16)), "Conv2DOptions", **options)
    x = b.op("LOGISTIC", [x], b.tensor((1, 32, 32, 16)))
    path = tmp_path / "convolutions.tflite"
    path.write_bytes(b.content(x))
    return path


def profiled(bench: Bench, *words: str | Path) -> dict[str, Any]:
    done = bench.run("profile", *words, "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_litert_s_own_profiler(bench: Bench, convolutions: Path) -> None:
    require("litert")
    document = profiled(bench, convolutions, "--runs", "20", "-e", "native", "-e", "litert")
    (other,) = document["others"]
    assert (other["engine"], other["method"]) == ("litert", "profiler")
    assert other["version"]
    names = [op["name"] for op in other["ops"]]
    assert sum(name.startswith("Convolution") for name in names) == 2, names
    assert [op["ops"] for op in other["ops"] if op["name"].startswith("Convolution")] == [[0], [1]]
    assert all(op["low_ns"] <= op["time_ns"] <= op["high_ns"] for op in other["ops"])
    assert other["sum_ns"] > 0
    groups = document["side_by_side"]
    assert [op for group in groups for op in group["ops"]] == [0, 1, 2]
    assert all(len(group["times_ns"]) == 2 for group in groups)


def test_lce_by_repeated_ops(bench: Bench) -> None:
    require("lce")
    document = profiled(bench, LARQ, "--runs", "1", "-e", "lce-indirect")
    (other,) = document["others"]
    assert other["method"] == "repeats"
    assert [op["ops"] for op in other["ops"]] == [[number] for number in range(len(other["ops"]))]
    assert "LceBconv2d" in {op["name"] for op in other["ops"]}
    assert other["sum_ns"] == pytest.approx(sum(op["time_ns"] for op in other["ops"]))
    fused = next(group for group in document["side_by_side"] if group["name"] == "op0 CONV_2D + LceQuantize")
    assert fused["ops"] == [0, 1]
    assert fused["times_ns"][1] == pytest.approx(sum(op["time_ns"] for op in other["ops"][:2]))


@pytest.mark.parametrize("threads", [1, min(2, len(os.sched_getaffinity(0)))])
def test_onnxruntime_s_own_profiler(bench: Bench, threads: int) -> None:
    require("onnxruntime")
    document = profiled(bench, ONNX, "--runs", "9", "-e", "onnxruntime", "--threads", str(threads))
    (other,) = document["others"]
    assert (other["engine"], other["method"]) == ("onnxruntime", "profiler")
    held = [number for op in other["ops"] for number in op["ops"]]
    assert len(held) == len(set(held))
    convolutions = [op["ops"] for op in other["ops"] if op["name"] == "Conv"]
    # A stem, and convolutions with their batch norm and residual sum; the one of the short cut has neither.
    assert sorted(convolutions) == [[0], [12, 13, 14], [31, 32, 33], [54, 55, 58], [57], [70, 71, 72]]
    assert 0 < other["sum_ns"] <= other["total_ns"] * 3
    binary = next(group for group in document["side_by_side"] if 12 in group["ops"])
    assert all(time > 0 for time in binary["times_ns"])
    assert {op for group in document["side_by_side"] for op in group["ops"]} >= set(held)


def test_what_it_says_in_python(convolutions: Path) -> None:
    require("litert")
    beside = bnn.profile(convolutions, runs=3, engine="litert").beside
    assert list(beside.columns) == ["name", "ops", "native", "litert"]
    assert [op for ops in beside["ops"] for op in ops] == [0, 1, 2]
    assert list(bnn.profile(convolutions, runs=2).beside.columns) == ["name", "ops", "native"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["quicknet_xs", "-e", "nix"], "there is no engine 'nix'"),
        (
            ["quicknet_xs", "-e", "lce-best"],
            "'lce-best' cannot be timed: its XNNPACK leaves out repeated ops; lce-indirect",
        ),
        (["quicknet_xs", "-e", "numba"], "--engine takes litert, onnxruntime, lce, lce-indirect"),
        (["quicknet_xs", "-e", "onnxruntime"], "'onnxruntime' reads .onnx files; leave --engine onnxruntime out"),
        ([ONNX, "-e", "onnxruntime", "-e", "litert"], "'litert' reads .tflite files; leave --engine litert out"),
    ],
)
def test_engines_that_cannot(bench: Bench, words: list[str | Path], said: str) -> None:
    done = bench.run("profile", *words)
    assert done.returncode == 2
    assert said in one_sentence(done.stderr)


def test_a_model_that_the_runtime_refuses(bench: Bench) -> None:
    require("litert")
    done = bench.run("profile", LARQ, "--runs", "1", "-e", "litert")
    assert done.returncode != 0
    assert "LceQuantize" in done.stderr
