"""ONNX networks on the native engine beside onnxruntime, on one core, in turn: `make bench`, alone on a quiet machine.

The networks are those of tests/kernels/onnx_models, with random weights, which cost as much time as trained ones.
BNNBENCH_ONNX_SIZE sets another height and width than that of ImageNet, to try it. `onnxruntime` must be installed
(`bnnbench engines install onnxruntime`).
"""

from __future__ import annotations

import os
import statistics
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from bnnbench.kernels.models.formats import graph_of, read_model
from tests.benchmarks.test_models import MEANT, interleaved, ratio, start
from tests.kernels.onnx_models.networks import FULL_SIZES, NETWORKS, network

pytestmark = pytest.mark.speed

SIZE = int(os.environ.get("BNNBENCH_ONNX_SIZE") or 0)
BINARY = {"bireal18", "reactnet_a", "real_to_binary", "binary_densenet28"}
"""Networks of which most operations are binary, and that are large enough for a limit."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NETWORKS)
def test_against_onnxruntime(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.onnx"
    path.write_bytes(network(name, SIZE or FULL_SIZES.get(name, 224)))
    (port,) = graph_of(read_model(path)).inputs
    np.random.default_rng(0).uniform(-1, 1, port.shape).astype(np.float32).tofile(tmp_path / "input")
    with ExitStack() as stack:
        clients = [start(stack, engine, path, tmp_path) for engine in ("native", "onnxruntime")]
        for client in clients:
            client.input("m", "input")
        native, other = interleaved([(client, 1) for client in clients])
    found = ratio(other, native)
    print(
        f"\n{name}, {port.shape[1]}x{port.shape[2]}: native {statistics.median(native) / 1e6:.2f} ms, "
        f"onnxruntime {statistics.median(other) / 1e6:.2f} ms, {found:.2f}x of that"
    )
    if MEANT and name in BINARY and not SIZE:
        assert found > 1
