"""Networks that PyTorch exported, through whole commands: each works on them as on a `.tflite`."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from bnnbench.devices.spec import DeviceSpec
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.results import load
from tests.harness.bench import Bench
from tests.kernels.onnx_models.pytorch_models import (
    BINARY_LAYERS,
    EXPORTERS,
    FOLDER,
    MODELS,
    fashion,
    predictions,
    recipe,
)
from tests.kernels.onnx_models.sign_choices import flips_to
from tests.kernels.onnx_models.test_pytorch import is_class

pytestmark = pytest.mark.timeout(240)
QUICK = ("--invocations", "1")
IMAGES, SEED = 200, 5


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A store with latency and accuracy of all four files, on some images."""
    bench = Bench(tmp_path_factory.mktemp("evaluated"))
    words = ("--images", str(IMAGES), "--seed", str(SEED), *QUICK, "--store", "store")
    done = bench.run("eval", *MODELS.values(), *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return bench


def test_eval_predicts_what_pytorch_predicts(evaluated: Bench) -> None:
    part = fashion().subset(IMAGES, SEED)
    run = evaluated.store.run("latest")
    assert [case.workload for case in run.record.cases] == list(MODELS)
    for case in run.record.cases:
        classes = predictions(case.workload)[0][part.chosen]
        found = run.accuracies[case.id]
        assert (found.status, found.images, found.compared) == ("ok", IMAGES, IMAGES)
        assert found.differing == found.explained
        assert found.predictions_sha256 == hashlib.sha256(classes.astype("<i4").tobytes()).hexdigest()
        assert found.correct == (classes == part.labels).sum()


def test_pick_chooses_the_most_accurate(evaluated: Bench) -> None:
    done = evaluated.run("pick", "--store", "store", "--json")
    assert done.returncode == 0, done.stderr
    frame = load(evaluated.store).set_index("workload")
    best = json.loads(done.stdout)["best"]
    assert best["workload"] in frame.index[frame["accuracy"] == frame["accuracy"].max()]
    sizes = {name: path.stat().st_size for name, path in MODELS.items()}
    small = min(sizes, key=lambda name: sizes[name])
    done = evaluated.run("pick", "--store", "store", "--json", "--max-size", f"{sizes[small]}B")
    assert json.loads(done.stdout)["best"]["workload"] == small


def test_a_front_is_drawn_of_them(evaluated: Bench) -> None:
    done = evaluated.run("chart", "pareto", "--format", "svg", "--store", "store")
    assert done.returncode == 0, done.stderr
    assert "<svg" in (evaluated.folder / "pareto.svg").read_text()
    assert evaluated.store.run("latest").record.run_id in (evaluated.folder / "pareto.txt").read_text()


def test_a_report_shows_them(evaluated: Bench) -> None:
    done = evaluated.run("report", "-o", "page", "--store", "store")
    assert done.returncode == 0, done.stderr
    page = (evaluated.folder / "page/index.html").read_text()
    assert "Which model to take" in page
    assert all(name in page for name in MODELS)


def test_model_info_counts_their_bits(evaluated: Bench) -> None:
    for model, one_bit in {"bireal_script": 73_728, "reactnet_dynamo": 62_464}.items():
        found = json.loads(evaluated.run("model", "info", MODELS[model], "--json").stdout)
        assert found["parameters_1bit"] == one_bit
        assert found["bytes_by_kind"]["bits"] == one_bit / 8
        assert [row["macs_1bit"] > 0 for row in found["rows"]].count(True) == BINARY_LAYERS[model.split("_")[0]]
        assert found["inputs"][0]["shape"] == [1, 28, 28, 1]


def test_ab_compares_the_two_exporters(bench: Bench) -> None:
    """They are the same network, so they are right on the same images."""
    text = f"""name = "exporters"
warmup_ms = 5
min_sample_ms = 1
samples = 3
[[model]]
file = "{MODELS["reactnet_dynamo"]}"
dataset = "fashion-mnist"
images = 200
"""
    suite = bench.write("exporters.toml", text)
    sides = ["--base", MODELS["reactnet_dynamo"], "--head", MODELS["reactnet_script"]]
    done = bench.run("ab", suite, *sides, "--budget", "1s", "--json", "-", "--store", "store")
    assert done.returncode in (0, 1, 3), done.stderr
    found = {one["metric"]: one for one in json.loads(done.stdout)["verdicts"]}
    assert found["latency"]["workload"] == "reactnet_dynamo -> reactnet_script"
    sizes = [MODELS[f"reactnet_{exporter}"].stat().st_size for exporter in EXPORTERS]
    assert [found["size"]["base_value"], found["size"]["head_value"]] == sizes
    assert found["accuracy"]["effect"] == 0
    assert {gate.status for gate in bench.store.run("latest").gates.values()} == {"ok"}


def test_profile_has_their_steps(bench: Bench) -> None:
    done = bench.run("profile", MODELS["reactnet_script"], "--runs", "3", "--json")
    assert done.returncode == 0, done.stderr
    steps = [step["op"] for step in json.loads(done.stdout)["ops"]]
    assert steps.count("bconv") == BINARY_LAYERS["reactnet"]


@pytest.mark.slow
def test_their_layers_are_measured_by_both_engines(bench: Bench) -> None:
    """The layers are kernel cases with the trained weights, which the engine of Numba runs, too."""
    done = bench.run(
        "run", MODELS["reactnet_dynamo"], "--layers", "-e", "native", "-e", "numba", *QUICK, "--store", "store"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    frame = load(bench.store.run("latest"))
    layers = frame[frame["workload"] != "reactnet_dynamo"]
    assert layers.groupby("engine")["workload"].nunique().to_dict() == {"native": 7, "numba": 7}
    assert set(layers["status"]) == {"ok"}


@pytest.mark.skipif(shutil.which("qemu-aarch64") is None, reason="qemu-aarch64 (Debian: qemu-user) is missing")
def test_they_run_on_emulated_devices(bench: Bench) -> None:
    for name, cpu in {"a76": "cortex-a76", "v7": "cortex-a7"}.items():
        bench.add_device(DeviceSpec(name=name, transport="qemu", cpu=cpu))
    models = [MODELS["bireal_script"], MODELS["reactnet_dynamo"]]
    done = bench.run("eval", *models, "-d", "a76", "-d", "v7", "--images", "20", *QUICK, "--store", "store")
    assert done.returncode == 0, done.stdout + done.stderr
    run = bench.store.run("latest")
    frame = load(run)
    assert len(frame) == 4
    assert set(frame["status"]) == {"ok"}
    assert (frame["instructions"] > 1e5).all()
    assert frame["latency_ns"].isna().all()
    part = fashion().subset(20, 0)
    for case in run.record.cases:
        classes = predictions(case.workload)[0][part.chosen]
        assert run.accuracies[case.id].predictions_sha256 == hashlib.sha256(classes.astype("<i4").tobytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_the_readme_says(bench: Bench) -> None:
    """README.md's command, on all images and with latency."""
    examples = FOLDER.parents[1]
    (command,) = re.findall("^bnnbench (eval .*)$", (examples / "pytorch/README.md").read_text("utf-8"), re.MULTILINE)
    (bench.folder / "examples").symlink_to(examples)
    done = bench.run(*shlex.split(command), "--store", "store", timeout=800)
    assert done.returncode == 0, done.stdout + done.stderr
    frame = load(bench.store.run("latest")).set_index("workload")
    for model in ("bireal_dynamo", "reactnet_dynamo"):
        assert frame.loc[model, "accuracy"] == pytest.approx(recipe(model)["test_accuracy"], abs=0.001)
        assert frame.loc[model, "latency_ns"] > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("model", MODELS)
def test_every_image_is_predicted_as_pytorch_does(bench: Bench, model: str) -> None:
    """By `eval`, against the reference, and by `infer`, against PyTorch image by image."""
    done = bench.run("eval", MODELS[model], "--invocations", "0", "--store", "store", timeout=800)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = bench.store.run("latest").accuracies.values()
    assert (found.status, found.images, found.compared) == ("ok", 10_000, 10_000)
    assert found.differing == found.explained
    right, images = predictions(model)[0], fashion()
    np.save(bench.folder / "images.npy", images.inputs(slice(None)))
    done = bench.run("infer", MODELS[model], "--input", "images.npy", "--output", "scores.npy", timeout=300)
    assert done.returncode == 0, done.stderr
    classes = np.load(bench.folder / "scores.npy").reshape(-1, 10).argmax(1)
    assert found.predictions_sha256 == hashlib.sha256(classes.astype("<i4").tobytes()).hexdigest()
    differing = np.flatnonzero(classes != right)
    assert len(differing) <= 10  # 0.1 %
    assert abs(found.correct - round(recipe(model)["test_accuracy"] * 10_000)) <= len(differing)
    graph = graph_of(read_model(Path(MODELS[model])))
    for place in differing:
        image = images.inputs(slice(place, place + 1))
        assert flips_to(graph, image, partial(is_class, int(right[place]))) is not None, place
