"""A baseline keeps the models and data sets that were measured, and no others of their size in their places."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bnnbench.harness.errors import CallError
from bnnbench.harness.tasks.baselines import save_baseline
from bnnbench.kernels.models.datasets import open_dataset
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.kernels.models.tflite_file import read
from bnnbench.results.store.baselines import Baselines
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun
from tests.harness.bench import Bench

SUITE = """
name = "kept"
engines = ["native"]
invocations = 1
samples = 3
min_sample_ms = 0.1
warmup_ms = 1

[[model]]
file = "m.tflite"
dataset = "images.npz"
measure = MEASURE
"""


SCALE: dict[str, Any] = {"scale": 1 / 127.5, "offset": -1.0}


@pytest.fixture(scope="module", params=['["model"]', '["layers"]'], ids=["model", "layers"])
def measured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bench = Bench(tmp_path_factory.mktemp("kept"))
    shutil.copy(shipped_models()["quicknet_xs"], bench.folder / "m.tflite")
    known = open_dataset("fashion-mnist")
    np.savez(bench.folder / "images.npz", images=known.images[:20], labels=known.labels[:20], **SCALE)
    bench.write("suite.toml", SUITE.replace("MEASURE", request.param))
    bench.measure("suite.toml")
    return bench.folder


@pytest.fixture
def run(measured: Path) -> Iterator[StoredRun]:
    """The run; what a test changes is put back."""
    before = {name: (measured / name).read_bytes() for name in ("m.tflite", "images.npz")}
    yield Store(measured / "store").run()
    for name, content in before.items():
        (measured / name).write_bytes(content)


def with_other_weights(path: Path) -> None:
    content = bytearray(path.read_bytes())
    op = next(op for op in read(path).ops if op.name == "LceBconv2d")
    weights = op.inputs[1]
    assert weights is not None
    assert weights.data is not None
    at = bytes(content).find(weights.data.tobytes())
    content[at] ^= 0xFF
    path.write_bytes(content)


def test_a_model_that_was_trained_again_is_refused_though_it_has_its_size(measured: Path, run: StoredRun) -> None:
    baselines = Baselines(measured / "kept")
    save_baseline(baselines, "main", run, trusts=True)
    with_other_weights(measured / "m.tflite")
    with pytest.raises(CallError, match=f"m.tflite has changed since run {run.record.run_id}"):
        save_baseline(baselines, "main", run, trusts=True)


def test_a_model_of_an_older_record_is_known_by_its_plan(measured: Path, run: StoredRun) -> None:
    old = StoredRun(msgspec.structs.replace(run.record, models={}), run.entries, measured)
    baselines = Baselines(measured / "kept-old")
    save_baseline(baselines, "main", old, trusts=True)
    with_other_weights(measured / "m.tflite")
    if any(case.kind == "model" for case in run.record.cases):
        with pytest.raises(CallError, match=r"m\.tflite has changed since run"):
            save_baseline(baselines, "main", old, trusts=True)


def test_a_data_set_that_changed_is_refused_where_it_was_measured_with(measured: Path, run: StoredRun) -> None:
    with np.load(measured / "images.npz") as kept:
        images, labels = kept["images"], kept["labels"]
    np.savez(measured / "images.npz", images=images[::-1], labels=labels, **SCALE)
    baselines = Baselines(measured / "kept-set")
    if not run.accuracies:
        save_baseline(baselines, "main", run, trusts=True)
        return
    with pytest.raises(CallError, match=f"data set .*images.npz has changed since run {run.record.run_id}"):
        save_baseline(baselines, "main", run, trusts=True)


def test_an_imported_run_is_no_baseline_and_that_is_said(measured: Path, run: StoredRun) -> None:
    imported = StoredRun(
        msgspec.structs.replace(run.record, suite={}, suite_name="pytest-benchmark"), run.entries, measured
    )
    with pytest.raises(CallError, match=r"was imported from pytest-benchmark and cannot be run again; "):
        save_baseline(Baselines(measured / "kept-import"), "main", imported, trusts=True)
