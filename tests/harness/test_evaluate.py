"""Accuracy by the real command: here, over SSH, by other engines, resumed, and when something is wrong."""

from __future__ import annotations

import json
import re
import shlex
import signal
from pathlib import Path

import numpy as np
import pytest

from bnnbench.harness.cli.evaluate import evaluate
from bnnbench.harness.errors import CallError
from bnnbench.harness.measure.evaluate import in_top
from bnnbench.harness.workload.model import ModelWorkload
from bnnbench.kernels.engines.installation import installed
from bnnbench.kernels.models.datasets import open_dataset
from bnnbench.kernels.models.predictions import reference_classes
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.kernels.models.tflite_file import read
from bnnbench.results import Store, load
from tests.devices.sshd import LoopbackSsh
from tests.harness.bench import Bench, one_sentence

MODELS = shipped_models()
SUITE = """
name = "family"
engines = ["native"]
invocations = 2
samples = 3
min_sample_ms = 1

[[model]]
file = "quicknet_xs"
dataset = "fashion-mnist"
images = 200

[[model]]
file = "quicknet_s"
dataset = "fashion-mnist"
images = 200
"""


def right(name: str, count: int | None = None, seed: int = 0) -> int:
    """How many images the reference classifies rightly."""
    fashion = open_dataset("fashion-mnist")
    part = fashion if count is None else fashion.subset(count, seed)
    return int((reference_classes(read(MODELS[name]), part) == part.labels).sum())


def test_every_image_is_predicted_as_the_reference_does(bench: Bench) -> None:
    done = bench.run("eval", *MODELS, "--invocations", "0", "--json", "--store", "store")
    assert done.returncode == 0, done.stderr
    cases = json.loads(done.stdout)["cases"]
    assert [case["workload"] for case in cases] == list(MODELS)
    for case in cases:
        one = case["evaluation"]
        assert one["images"] == 10_000
        assert one["correct"] == right(case["workload"])
        assert one["differing"] == one["explained"]
        assert one["differing"] <= 10  # 0.1 %
        assert np.sum(one["confusion"]) == 10_000
        assert np.trace(one["confusion"]) == one["correct"] < one["correct_top5"]
        assert case["accuracy"] == one["correct"] / 10_000
        assert case["accuracy_low"] < case["accuracy"] < case["accuracy_high"]
        assert case["latency_ns"] is None


@pytest.mark.parametrize("engine", ["lce", "lce-indirect"])
def test_lce_predicts_the_same(bench: Bench, engine: str) -> None:
    if not installed("lce"):
        pytest.skip("run bnnbench engines install lce")
    words = ("--images", "500", "--invocations", "0", "--json", "--store", "store")
    done = bench.run("eval", *MODELS, "-e", engine, *words)
    assert done.returncode == 0, done.stderr
    for case in json.loads(done.stdout)["cases"]:
        one = case["evaluation"]
        assert one["differing"] == one["explained"]
        assert abs(one["correct"] - right(case["workload"], 500)) <= one["differing"] <= 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_lce_predicts_every_image_the_same(bench: Bench) -> None:
    if not installed("lce"):
        pytest.skip("run bnnbench engines install lce")
    words = ("--invocations", "0", "--json", "--store", "store")
    done = bench.run("eval", *MODELS, "-e", "lce", "-e", "native", *words, timeout=550)
    assert done.returncode == 0, done.stderr
    for case in json.loads(done.stdout)["cases"]:
        one = case["evaluation"]
        assert one["differing"] == one["explained"]
        assert one["differing"] <= 10


def test_a_subset_says_so(bench: Bench) -> None:
    done = bench.run("eval", "quicknet_xs", "--images", "300", "--seed", "3", "--invocations", "2", "--store", "store")
    assert done.returncode == 0, done.stderr
    share = right("quicknet_xs", 300, 3) / 300
    assert f"{share * 100:.2f} %" in done.stdout
    assert "300 of 10,000 images, drawn with seed 3" in done.stdout
    assert "predicted as" in done.stdout
    assert "quicknet_xs on native, local takes " in done.stdout
    assert load(bench.store)["latency_ns"].notna().all()


@pytest.mark.slow
def test_a_suite_has_both_latency_and_accuracy(bench: Bench) -> None:
    bench.write("family.toml", SUITE)
    done = bench.run("run", "family.toml", "--store", "store")
    assert done.returncode == 0, done.stderr
    frame = load(Store(bench.folder / "store"))
    assert frame["latency_ns"].notna().all()
    names = ("quicknet_xs", "quicknet_s")
    assert [round(value) for value in frame["accuracy"] * 200] == [right(name, 200) for name in names]
    assert frame["dataset_sha256"].unique().tolist() == [open_dataset("fashion-mnist").sha256]
    assert "top-1" in done.stdout
    page = bench.run("report", "-o", "page", "--store", "store")
    assert page.returncode == 0, page.stderr
    assert "Which model to take" in (bench.folder / "page/index.html").read_text()


def test_over_ssh_it_is_the_same(bench: Bench, board: LoopbackSsh) -> None:
    words = ("--images", "1500", "--invocations", "0", "--json", "--store", "store")
    done = bench.run("eval", "quicknet_xs", "-d", "board", "-d", "local", *words)
    assert done.returncode == 0, done.stderr
    here, there = (case["evaluation"] for case in json.loads(done.stdout)["cases"])
    assert here["predictions_sha256"] == there["predictions_sha256"]
    assert here["correct"] == right("quicknet_xs", 1500)


@pytest.mark.slow
def test_an_interrupted_run_evaluates_what_is_left(bench: Bench) -> None:
    bench.write("family.toml", SUITE.replace("images = 200\n", ""))
    (bench.folder / "store/runs").mkdir(parents=True)
    process = bench.start("run", "family.toml", "--store", "store")
    store = Store(bench.folder / "store")
    assert process.stderr is not None
    while process.poll() is None:
        runs = store.runs()
        if runs and runs[0].accuracies:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    before = dict(store.run().accuracies)
    resumed = bench.run("run", "--resume", "latest", "--store", "store")
    assert resumed.returncode == 0, resumed.stderr
    run = store.run()
    assert len(run.accuracies) == 2
    assert all(run.accuracies[id] == one for id, one in before.items())
    assert [one.correct for one in run.accuracies.values()] == [right("quicknet_xs"), right("quicknet_s")]


def test_wrong_predictions_are_wrong_output(bench: Bench, tmp_path: Path) -> None:
    """An engine that is right for the gate's input, and wrong for images: `infer` gives it other ones."""
    bench.environment["BNNBENCH_TEST_SPOIL"] = "1"
    fake = Path(__file__).with_name("spoiling_engine.py")
    bench.write(
        "wrong.toml",
        SUITE.split("[[model]]")[0].replace('"native"', '"spoiler"')
        + f"""
[engine.spoiler]
command = ["{{binary}}", "{{files}}"]
binary = {{ x86_64 = "{_script(tmp_path, fake)}", aarch64 = "{_script(tmp_path, fake)}" }}
accepts = ["plan"]

[[model]]
file = "quicknet_xs"
dataset = "fashion-mnist"
images = 50
""",
    )
    done = bench.run("run", "wrong.toml", "--store", "store")
    frame = load(Store(bench.folder / "store"))
    assert frame["status"].tolist() == ["wrong_output"], done.stderr
    assert "where the reference says" in frame["reason"].iloc[0]
    assert frame["latency_ns"].isna().all()
    assert done.returncode == 3


def _script(folder: Path, source: Path) -> Path:
    """An executable of its own: engines are pushed as single files."""
    import sys

    from bnnbench.kernels.toolchain import build_native

    path = folder / "spoiler"
    text = source.read_text().replace("@NATIVE@", str(build_native("x86_64-linux-musl").path))
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nope",), "nope does not exist"),
        (("quicknet_xz",), "quicknet_xs"),
        (("quicknet_xs", "--dataset", "nope"), "there is no dataset 'nope'"),
        (("quicknet_xs", "--images", "0"), "at least 1"),
        (("quicknet_xs", "--images", "10001"), "has 10000 images"),
        (("quicknet_xs", "--dataset", "own.npz"), "are 4x4x1, and quicknet_xs.tflite takes 28x28x1"),
        (("quicknet_xs", "-e", "numba"), "runs no models"),
        (("quicknet_xs", "-e", "nope"), "there is no engine"),
    ],
)
def test_what_is_wrong_is_one_sentence(bench: Bench, words: tuple[str, ...], says: str) -> None:
    np.savez(bench.folder / "own.npz", images=np.zeros((2, 4, 4, 1), np.float32), labels=np.array([0, 1]))
    done = bench.run("eval", *words, "--store", "store")
    assert done.returncode == 2
    assert says in one_sentence(done.stderr)


def test_own_images(bench: Bench) -> None:
    fashion = open_dataset("fashion-mnist")
    assert fashion.preprocessing is not None
    steps = fashion.preprocessing
    np.savez(
        bench.folder / "own.npz",
        images=fashion.images[:120, :, :, 0],
        labels=fashion.labels[:120],
        scale=steps.scale,
        offset=steps.offset,
    )
    np.savez(bench.folder / "floats.npz", images=fashion.inputs(slice(0, 120)), labels=fashion.labels[:120])
    found = []
    for name in ("own.npz", "floats.npz"):
        words = ("--dataset", name, "--invocations", "0", "--json", "--store", "store")
        done = bench.run("eval", "quicknet_xs", *words)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout)["cases"][0]["evaluation"])
    assert found[0]["predictions_sha256"] == found[1]["predictions_sha256"]
    classes = reference_classes(read(MODELS["quicknet_xs"]), fashion)[:120]
    assert found[0]["correct"] == int((classes == fashion.labels[:120]).sum())


@pytest.mark.slow
def test_pick_and_chart_speak_of_what_was_measured(bench: Bench) -> None:
    bench.write("family.toml", SUITE)
    assert bench.run("run", "family.toml", "--store", "store").returncode == 0
    picked = bench.run("pick", "--max-size", "20kB", "--store", "store")
    assert picked.returncode == 0, picked.stderr
    assert picked.stdout.startswith("quicknet_xs on native")
    assert "with size of the model file of at most 36.5 kB: quicknet_s" in picked.stdout
    nothing = bench.run("pick", "--max-size", "1kB", "--json", "--store", "store")
    assert nothing.returncode == 3
    told = json.loads(nothing.stdout)
    assert told["best"] is None
    assert told["moved"][0]["choice"]["workload"] == "quicknet_xs"
    for kind in ("pdf", "svg", "png"):
        drawn = bench.run("chart", "latency-accuracy", "--format", kind, "--width", "84mm", "--store", "store")
        assert drawn.returncode == 0, drawn.stderr
        content = (bench.folder / f"latency-accuracy.{kind}").read_bytes()
        run_id = Store(bench.folder / "store").run().record.run_id
        assert run_id.encode() in content
        assert run_id in (bench.folder / "latency-accuracy.txt").read_text()
    pdf = (bench.folder / "latency-accuracy.pdf").read_bytes()
    assert b"/FontFile2" in pdf
    assert b"CreationDate" not in pdf


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("pick",), "no model that was measured; run `bnnbench eval quicknet_s --store store`"),
        (("chart", "pareto"), "there is nothing to draw: no model has latency and top-1 accuracy and size"),
        (("chart", "pareto"), "; run `bnnbench eval quicknet_s --store store`."),
        (("chart", "patero"), "(did you mean 'pareto'?)"),
        (("pick", "--max-latency", "30"), "is not a number with one of the units"),
        (("pick", "--max-size", "5 parsec"), "like 5MB"),
        (("pick", "--min-accuracy", "101%"), "is not a share"),
        (("chart", "nope"), "there is no chart 'nope'"),
        (("chart", "pareto", "--format", "gif"), "written as pdf, svg, png"),
        (("chart", "pareto", "--width", "3"), "is not a width"),
        (("chart", "pareto", "--width", "300in"), "outside of 2 to 40 inches"),
    ],
)
def test_bad_calls_of_pick_and_chart(bench: Bench, words: tuple[str, ...], says: str) -> None:
    (bench.folder / "store/runs").mkdir(parents=True)
    done = bench.run(*words, "--store", "store")
    assert done.returncode == 2
    assert any(part in one_sentence(done.stderr) for part in says.split("|"))


@pytest.mark.parametrize("words", [("pick",), ("chart", "pareto")])
def test_where_there_is_no_store_the_first_command_is_named(bench: Bench, words: tuple[str, ...]) -> None:
    done = bench.run(*words, "--store", "store")
    assert done.returncode == 2
    assert "there is no such folder; run `bnnbench eval quicknet_s --store store`." in one_sentence(done.stderr)
    assert not (bench.folder / "store").exists()


def test_a_sample_is_compared_and_all_images_count(bench: Bench) -> None:
    """The accuracy is of all images; what was compared is said everywhere, with what it shows of the others."""
    fashion = open_dataset("fashion-mnist")
    steps = fashion.preprocessing
    assert steps is not None
    images = {"images": fashion.images[:120], "labels": fashion.labels[:120]}
    np.savez(bench.folder / "own.npz", **images, scale=steps.scale, offset=steps.offset)
    words = ("eval", "quicknet_s", "--dataset", "own.npz", "--invocations", "0", "--store", "store")
    done = bench.run(*words, "--reference-images", "40")
    assert done.returncode == 0, done.stderr
    sentence = (
        "compared with the reference on 40 of 120 images (a sample drawn with seed 0): 40 alike, so 91.2 to 100.0 %"
    )
    assert sentence in " ".join(done.stdout.split())  # folded at spaces
    assert "40 of 40" in done.stdout
    (one,) = bench.store.run().accuracies.values()
    classes = reference_classes(read(MODELS["quicknet_s"]), fashion)[:120]
    assert (one.images, one.compared, one.differing) == (120, 40, 0)
    assert one.correct == int((classes == fashion.labels[:120]).sum())
    frame = load(bench.store)
    assert (frame["compared"].tolist(), frame["accuracy_n"].tolist()) == ([40], [120])


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_a_wrong_number_of_reference_images_is_one_sentence(text: str) -> None:
    with pytest.raises(CallError, match="is neither a number from 1 nor all"):
        evaluate(["quicknet_s"], reference_images=text)


def test_only_what_is_compared_is_drawn_with_the_seed() -> None:
    whole = ModelWorkload("m", read(MODELS["quicknet_xs"]), 3, open_dataset("fashion-mnist"), 50)
    places = whole.compared_places
    assert len(set(places.tolist())) == 50
    assert (places == ModelWorkload("m", whole.model, 3, whole.dataset, 50).compared_places).all()
    assert (places != ModelWorkload("m", whole.model, 4, whole.dataset, 50).compared_places).any()
    assert whole.dataset is not None
    right = reference_classes(whole.model, whole.dataset)
    assert (whole.reference_classes() == right[places]).all()
    for every in ("all", None, 20_000):
        assert len(ModelWorkload("m", whole.model, 3, whole.dataset, every).compared_places) == 10_000  # type: ignore[arg-type]


def readme_commands(heading: str) -> list[list[str]]:
    """The lines of the first block of commands below a heading of README."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    block = text.split(f"## {heading}\n", 1)[1].split("```sh\n")[1].split("```")[0]
    return [shlex.split(line, comments=True) for line in block.strip().splitlines()]


def test_the_readme_s_commands_work_in_its_order(bench: Bench) -> None:
    (bench.folder / "runs").mkdir()  # a project: the store is here
    commands = readme_commands("Which model?")
    assert [words[1] for words in commands] == ["eval", "pick", "chart"]
    for words in commands:
        done = bench.run(*words[1:])
        assert done.returncode == 0, done.stderr
        if words[1] == "pick":
            assert done.stdout.startswith("quicknet_s on native: "), done.stdout
            assert "of 2 that fit among 3; asked" in done.stdout
            assert "quicknet_m on native, 92.10 %" in done.stdout  # what a little more would buy
    assert (bench.folder / "pareto.pdf").stat().st_size > 1000


def typed(bench: Bench, text: str) -> list[str]:
    """The commands that a message says to type, done as they stand."""
    commands = re.findall(r"run `bnnbench ([^`]+)`", text)
    for command in commands:
        done = bench.run(*shlex.split(command))
        assert done.returncode == 0, done.stderr
    return commands


def test_what_a_model_lacks_is_measured_by_the_command_that_is_named(bench: Bench) -> None:
    """Latency of one, accuracy of the other, in the order that a user may come to them."""
    own = bench.folder / "my net.tflite"
    own.write_bytes(MODELS["quicknet_xs"].read_bytes())
    words = ("--invocations", "1", "--store", "store")
    assert bench.run("run", own.name, *words).returncode == 0
    assert bench.run("eval", "quicknet_s", "--images", "50", "--invocations", "0", "--store", "store").returncode == 0
    first = bench.run("chart", "latency-accuracy", "--store", "store")
    assert first.returncode == 2
    assert "no latency for quicknet_s on native, local: run `bnnbench run quicknet_s --store store`" in first.stderr
    picked = bench.run("pick", "--max-latency", "1s", "--store", "store")
    assert picked.returncode == 0
    assert "no accuracy for my net on native, local: run `bnnbench eval 'my net.tflite' --store store`" in picked.stdout
    assert len(typed(bench, picked.stdout)) == 2
    drawn = bench.run("chart", "pareto", "--store", "store")
    assert (drawn.returncode, "not in it" in drawn.stderr) == (0, False), drawn.stderr


def test_the_label_is_among_the_first() -> None:
    scores = np.array([[5, 4, 3, 2, 1, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 9]])
    assert in_top(scores, np.array([4, 5, 0]), 5).tolist() == [True, False, True]
    assert in_top(scores, np.array([0, 0, 5]), 1).tolist() == [True, True, True]
