"""A model that cannot be imported or read does not stop a run, and engines of others run it unverified."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnbench.harness.suite.load import load_suites
from bnnbench.harness.workload.foreign_model import ForeignModel
from bnnbench.harness.workload.of_suite import workloads
from bnnbench.kernels.engines.installation import installed
from tests.harness.bench import Bench, one_sentence
from tests.kernels.model_builder import Builder

needs_litert = pytest.mark.skipif(installed("litert") is None, reason="bnnbench engines install litert")
ONCE = ("--store", "store", "--invocations", "1")


def refused(*dtypes: str) -> bytes:
    """Scores of [1, 28, 28, 1] by an op that is not imported; with `dtypes`, also inputs that only others take."""
    made = Builder()
    x = made.op("COS", [made.input((1, 28, 28, 1))], made.tensor((1, 28, 28, 1)))
    axes = made.constant(np.array([1, 2], np.int32))
    y = made.op("MEAN", [x, axes], made.tensor((1, 1)), "ReducerOptions", keep_dims=False)
    weights, bias = made.constant(np.linspace(-1, 1, 10, dtype="f4").reshape(10, 1)), made.constant(np.zeros(10, "f4"))
    y = made.op("FULLY_CONNECTED", [y, weights, bias], made.tensor((1, 10)), "FullyConnectedOptions")
    outputs = [y]
    for dtype in dtypes:
        x = made.input((1, 3), dtype)
        outputs.append(made.op("EQUAL", [x, x], made.tensor((1, 3), "bool"), "EqualOptions"))
    return made.content(*outputs)


@pytest.fixture
def models(bench: Bench) -> Bench:
    """A model that is refused, and one that is none."""
    (bench.folder / "odd.tflite").write_bytes(refused())
    (bench.folder / "keras.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    return bench


def test_the_others_of_a_run_are_measured_and_the_exit_status_says_so(models: Bench) -> None:
    done = models.run("run", "odd.tflite", "quicknet_xs", "keras.h5", "-e", "native", *ONCE)
    assert done.returncode == 3, done.stderr
    for said in ("odd.tflite: op 0 (COS) cannot be imported: this op is not supported;", "keras.h5 is a Keras model;"):
        assert f"not measured: {models.folder / said}" in " ".join(done.stderr.split())
        assert said in " ".join(done.stdout.split())
    run = models.store.run("latest")
    assert [(skip.workload, skip.code) for skip in run.record.skips] == [
        ("odd", "not_imported"),
        ("keras", "not_imported"),
    ]
    assert [case.workload for case in run.record.cases] == ["quicknet_xs"]
    assert [gate.status for gate in run.gates.values()] == ["ok"]
    report = models.run("report", "latest", "--store", "store", "-o", "page")
    assert report.returncode == 0, report.stderr
    assert "op 0 (COS) cannot be imported" in (models.folder / "page" / "index.html").read_text()


def test_a_resumed_run_still_lacks_them(models: Bench) -> None:
    assert models.run("run", "odd.tflite", "quicknet_xs", "-e", "native", *ONCE).returncode == 3
    assert models.run("run", "--resume", "latest", "--store", "store").returncode == 3
    saved = models.run("baseline", "save", "main", "--store", "store")
    assert saved.returncode == 0, saved.stderr


def test_where_nothing_is_left_all_reasons_are_told(models: Bench) -> None:
    done = models.run("run", "odd.tflite", "keras.h5", *ONCE)
    assert done.returncode == 2
    said = one_sentence(done.stderr)
    assert "odd.tflite: op 0 (COS) cannot be imported" in said
    assert "keras.h5 is a Keras model; convert it" in said
    assert not (models.folder / "store").exists()


def test_a_comparison_with_such_a_model_says_why(models: Bench) -> None:
    done = models.run("ab", "--base", "quicknet_xs", "--head", "odd.tflite", "--store", "store")
    assert done.returncode == 2
    assert "odd.tflite: op 0 (COS) cannot be imported" in one_sentence(done.stderr)


@needs_litert
def test_its_own_runtime_runs_it_and_the_record_says_unverified(models: Bench) -> None:
    done = models.run("run", "odd.tflite", "-e", "native", "-e", "litert", *ONCE)
    assert done.returncode == 0, done.stderr
    assert "unverified: litert on local, odd: its output was not compared: " in done.stdout
    assert "-e litert" not in done.stdout.partition("unverified: litert")[2].partition("\n")[0]
    run = models.store.run("latest")
    (gate,) = run.gates.values()
    assert gate.status == "unverified"
    assert gate.output_sha256
    assert [skip.code for skip in run.record.skips] == ["not_imported"]
    (row,) = [row for row in models.rows("odd.tflite", "-e", "litert", *ONCE[2:]) if row["status"] == "unverified"]
    assert row["latency_ns"]
    assert models.run("report", "latest", "--store", "store", "-o", "page").returncode == 0
    assert "unverified: its outputs were not compared" in (models.folder / "page" / "index.html").read_text()


@needs_litert
@pytest.mark.parametrize("starts", [(), ("--starts",)])
def test_further_inputs_have_the_types_of_the_file(models: Bench, starts: tuple[str, ...]) -> None:
    (models.folder / "odd.tflite").write_bytes(refused("int32", "float32", "bool", "int64"))
    done = models.run("run", "odd.tflite", "-e", "litert", *starts, *ONCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unverified: litert on local, odd" in done.stdout


@needs_litert
def test_its_accuracy_is_measured_by_the_labels(models: Bench) -> None:
    words = ("eval", "odd.tflite", "-e", "litert", "--images", "50", *ONCE)
    done = models.run(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unverified" in done.stdout
    (accuracy,) = models.store.run("latest").accuracies.values()
    assert (accuracy.status, accuracy.images, accuracy.differing, accuracy.compared) == ("ok", 50, None, None)
    assert accuracy.correct is not None
    assert "its output was not compared" in str(accuracy.reason)
    (case,) = json.loads(models.run(*words, "--json").stdout)["cases"]
    assert case["status"] == "unverified"
    both = models.run("eval", "odd.tflite", "quicknet_xs", "--images", "50", *ONCE)
    assert both.returncode == 3
    assert "odd.tflite: op 0 (COS) cannot be imported" in " ".join(both.stdout.split())


def test_types_and_sizes_of_which_nothing_is_drawn_are_said(tmp_path: Path) -> None:
    def one(content: bytes) -> ForeignModel:
        (tmp_path / "m.tflite").write_bytes(content)
        (found,) = workloads(load_suites([tmp_path / "m.tflite"]))
        assert isinstance(found, ForeignModel)
        assert found.payload(frozenset({"tflite"})) is None
        return found

    assert "is string, of which no random values are made" in one(refused("string")).unverified
    made = Builder()
    made.open_axes[made.input((1, 1, 1, 3))] = (1, 2)
    unknown = made.op("COS", [0], made.tensor((1, 1, 1, 3)))
    assert "leaves the size of axis 1 and 2 open; give it with --shape" in one(made.content(unknown)).unverified


def test_shapes_of_a_suite_are_those_of_the_command_line(bench: Bench) -> None:
    made = Builder()
    made.open_axes[made.input((1, 1, 1, 3))] = (1, 2)
    made.open_axes[1] = (1, 2)
    (bench.folder / "m.tflite").write_bytes(made.content(made.op("ABS", [0], made.tensor((1, 1, 1, 3)))))
    bench.write("s.toml", 'name = "s"\nengines = ["native"]\n[[model]]\nfile = "m.tflite"\nshape = ["1x4x6x3"]\n')
    plans: list[Any] = []
    for words in (("s.toml",), ("m.tflite", "--shape", "1x4x6x3", "-e", "native")):
        done = bench.run("run", *words, *ONCE)
        assert done.returncode == 0, done.stderr
        (case,) = bench.store.run("latest").record.cases
        plans.append(case.plan_sha256)
    assert plans[0] == plans[1]
    bench.write("s.toml", 'name = "s"\n[[model]]\nfile = "m.tflite"\nshape = ["big"]\n')
    assert "shape 'big' is no shape; write it as 1x224x224x3" in one_sentence(bench.run("run", "s.toml").stderr)


def test_an_estimate_is_of_the_others(models: Bench) -> None:
    assert "odd.tflite: op 0 (COS) cannot be imported" in one_sentence(models.run("estimate", "odd.tflite").stderr)
    done = models.run("estimate", "odd.tflite", "quicknet_xs", "--store", "store")
    assert done.returncode == 0, done.stderr
    assert "not measured: " in done.stdout
    assert "quicknet_xs" in done.stdout


@needs_litert
def test_it_is_held_on_and_on_as_unverified(models: Bench) -> None:
    words = ("sustain", "odd.tflite", "keras.h5", "-e", "litert", "--minutes", "0.02", "--store", "store")
    done = models.run(*words)
    assert done.returncode == 3, done.stderr  # of the other one
    assert "unverified: litert on local, odd: its output was not compared" in " ".join(done.stdout.split())
    assert "keras.h5 is a Keras model" in " ".join(done.stdout.split())
    assert {window.status for window in models.store.run("latest").windows} == {"ok"}


def test_the_layers_of_such_a_model_are_measured(bench: Bench) -> None:
    """What a kernel case needs stands in the file."""
    made = Builder()
    x = made.op("LceQuantize", [made.input((1, 4, 4, 32))], made.tensor((1, 4, 4, 1), "int32"))
    bits = made.constant(np.arange(8, dtype=np.int32).reshape(8, 1, 1, 1))
    ones = made.constant(np.ones(8, np.float32))
    options = {"channels_in": 32, "dilation_height_factor": 1, "dilation_width_factor": 1, "padding": 1}
    options |= {"fused_activation_function": 0, "pad_values": 1, "stride_height": 1, "stride_width": 1}
    y = made.op("LceBconv2d", [x, bits, ones, ones, -1], made.tensor((1, 4, 4, 8)), **options)
    (bench.folder / "m.tflite").write_bytes(made.content(made.op("COS", [y], made.tensor((1, 4, 4, 8)))))
    done = bench.run("run", "m.tflite", "--layers", "-e", "native", *ONCE)
    assert done.returncode == 3, done.stderr
    assert [case.kind for case in bench.store.run("latest").record.cases] == ["kernel"]
    bench.write("s.toml", 'name = "s"\nengines = ["native"]\n[[model]]\nfile = "m.tflite"\nmeasure = ["layers"]\n')
    done = bench.run("run", "s.toml", *ONCE)
    assert done.returncode == 0, done.stderr
