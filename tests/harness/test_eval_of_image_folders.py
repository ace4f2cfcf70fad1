"""Accuracy on a folder of PNG files: that of the same images as arrays; what was done to them is told and stored."""

from __future__ import annotations

import gc
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from msgspec import structs

from bnnbench.harness.cli.next_command import _command
from bnnbench.harness.errors import SuiteError
from bnnbench.harness.plan.comparisons import CompareConfig
from bnnbench.harness.plan.side import Selection
from bnnbench.harness.suite.load import located, parse_suite
from bnnbench.harness.suite.tables import ModelTable, Suite
from bnnbench.harness.workload import image_blobs as blobs
from bnnbench.harness.workload.model import ModelWorkload
from bnnbench.harness.workload.of_suite import workloads
from bnnbench.harness.workload.opened_images import OpenedImages
from bnnbench.kernels.models.datasets import open_dataset
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.kernels.models.tflite_file import read
from tests.harness.bench import Bench, one_sentence

FASHION = "mean=0.2860 std=0.3530"
COUNT = 150


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of the shipped images in class folders, one more that is broken, and the same as arrays beside them."""
    folder = tmp_path_factory.mktemp("images")
    fashion = open_dataset("fashion-mnist").subset(COUNT, 1)
    order = []
    for number, (image, label) in enumerate(zip(fashion.images, fashion.labels, strict=True)):
        path = folder / "shoes" / str(label) / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(image[:, :, 0]).save(path)
        order.append((str(path), number))
    (folder / "shoes" / "0" / "broken.png").write_bytes(b"no image")
    places = [number for _, number in sorted(order)]
    scale, offset = 1 / (255 * 0.3530), -0.2860 / 0.3530
    arrays = {"images": fashion.images[places], "labels": fashion.labels[places]}
    np.savez(folder / "shoes.npz", **arrays, scale=scale, offset=offset)
    return folder


def evaluated(bench: Bench, *words: str | Path) -> dict[str, Any]:
    done = bench.run("eval", "quicknet_xs", "--invocations", "0", "--json", "--store", "store", *words)
    assert done.returncode == 0, done.stderr
    (case,) = json.loads(done.stdout)["cases"]
    found: dict[str, Any] = {**case["evaluation"], "case": case}
    return found


def test_accuracy_is_that_of_the_same_images_as_arrays(bench: Bench, images: Path) -> None:
    folder = evaluated(bench, "--dataset", images / "shoes", "--normalize", FASHION)
    arrays = evaluated(bench, "--dataset", images / "shoes.npz")
    for key in ("images", "correct", "correct_top5", "right", "predictions_sha256", "compared", "confusion"):
        assert folder[key] == arrays[key], key
    assert folder["images"] == folder["of_images"] == COUNT
    assert (folder["resize"], folder["normalize"]) == (None, FASHION)
    assert folder["excluded"] == ["0/broken.png: neither JPEG nor PNG"]
    assert folder["case"]["dataset"] == f"shoes ({FASHION})"
    assert folder["dataset_sha256"] != arrays["dataset_sha256"]
    assert (arrays["resize"], arrays["normalize"], arrays["excluded"]) == (None, None, [])


def test_what_was_done_is_told_and_unlike_figures_are_kept_apart(bench: Bench, images: Path) -> None:
    """Of one model and one folder, values that were normalized otherwise are another dataset."""
    words = ("eval", "quicknet_xs", "--dataset", images / "shoes", "--images", "100", "--invocations", "0")
    done = bench.run(*words, "--resize", "crop", "--normalize", "[-1,1]", "--store", "store")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "shoes (crop, [-1,1]): 99 of 150 images, drawn with seed 0;" in said
    assert "1 left out: 0/broken.png: neither JPEG nor PNG" in said
    other = evaluated(bench, "--dataset", images / "shoes", "--images", "100", "--normalize", "[0,1]")
    first = evaluated(bench, "--dataset", images / "shoes", "--images", "100", "--resize=crop", "--normalize=[-1,1]")
    assert first["dataset_sha256"] != other["dataset_sha256"]
    assert first["resize"] == "crop"
    chart = bench.run("chart", "size-accuracy", "--store", "store", "-o", "x.svg")
    assert chart.returncode == 2, chart.stdout
    assert "accuracies of several data sets are not compared" in one_sentence(chart.stderr)
    assert "shoes (crop, [-1,1])" in chart.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "shoes is a folder of images, and how their values are normalized must be said"),
        (
            ("--normalize", "tf"),
            "the model quicknet_xs: normalize = 'tf' is not one of [-1,1], [0,1], [0,255], imagenet",
        ),
        (("--normalize", "[0,1]", "--resize", "fit"), "resize = 'fit' is not one of crop, stretch, larq-zoo."),
        (("--normalize", "imagenet"), "has 3 values, and the model takes images of 1 channel"),
    ],
)
def test_what_is_wrong_is_one_sentence(bench: Bench, images: Path, words: tuple[str, ...], says: str) -> None:
    done = bench.run("eval", "quicknet_xs", "--dataset", images / "shoes", *words)
    assert done.returncode == 2
    assert says in one_sentence(done.stderr)


MODEL = 'name = "s"\n[[model]]\nfile = "quicknet_xs"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (MODEL + 'resize = "crop"\n', "quicknet_xs has resize = 'crop' and no dataset; name one."),
        (MODEL + 'normalize = "[0,1]"\n', "quicknet_xs has normalize = '[0,1]' and no dataset; name one."),
        (
            MODEL + 'dataset = "x"\nresize = "crp"\n',
            "the model quicknet_xs: resize = 'crp' is not one of crop, stretch, larq",
        ),
        (MODEL + 'dataset = "x"\nnormalize = "tf"\n', "the model quicknet_xs: normalize = 'tf' is not one of"),
        (MODEL + 'dataset = "x"\nnormalize = 1\n', "expected text or null, got a whole number in model 1.normalize"),
    ],
)
def test_what_is_wrong_in_a_suite(text: str, says: str) -> None:
    with pytest.raises(SuiteError) as caught:
        parse_suite(text, Path("s.toml"))
    assert says in str(caught.value)


def test_the_other_side_of_a_comparison_sees_the_same() -> None:
    table = ModelTable(file="a", dataset="val", images=9, resize="crop", normalize="imagenet")
    compare = CompareConfig(Selection("a", model="a"), Selection("b", model="b"))
    (other,) = compare.suite_of(Suite(name="s", model=[table]), compare.head).model
    assert (other.file, other.dataset, other.images, other.resize, other.normalize) == (
        "b",
        "val",
        9,
        "crop",
        "imagenet",
    )


def test_commands_that_are_named_prepare_images_alike() -> None:
    table = ModelTable(file="a", dataset="/val", resize="larq-zoo", normalize="imagenet")
    row = {"workload": "quicknet_xs", "device": "local", "engine": "native", "threads": 1}
    words = _command("eval", row, None, table)
    assert words.endswith("--dataset /val --resize larq-zoo --normalize imagenet")
    assert "--resize" not in _command("run", row, None, table)


def test_images_that_models_take_alike_are_read_once(images: Path) -> None:
    told: list[tuple[str, int, int]] = []
    table = ModelTable(file=str(shipped_models()["quicknet_xs"]), dataset=str(images / "shoes"), normalize="[0,1]")
    suite = Suite(name="s", model=[structs.replace(table, name=name) for name in ("a", "b")])
    one, two = workloads(suite, OpenedImages(lambda *words: told.append(words)))
    assert isinstance(one, ModelWorkload)
    assert isinstance(two, ModelWorkload)
    assert one.dataset is two.dataset is not None
    assert told == [(f"the images of {images / 'shoes'}", done, COUNT + 1) for done in (0, 128)]
    other = structs.replace(suite.model[1], normalize="[-1,1]")
    one, two = workloads(structs.replace(suite, model=[suite.model[0], other]))
    assert isinstance(two, ModelWorkload)
    assert one.identity != two.identity
    assert two.images_sha256 is not None


def test_relative_folders_are_found_from_the_suite(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    table = located(ModelTable(file="quicknet_xs", dataset="val", normalize="[0,1]"), tmp_path)
    assert table.dataset == str(tmp_path / "val")


def test_files_for_devices_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And lie in files where all of them together are many; these go with the workload."""
    large = np.arange(10 * 8, dtype=np.float32).reshape(10, 2, 2, 2)
    assert blobs.at_once(large) == 1000
    assert blobs.at_once(np.zeros((3, 224, 224, 3), np.float32)) == 111
    whole = blobs.image_blobs(large)
    monkeypatch.setenv("BNNBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(blobs, "MOST_BYTES_AT_ONCE", 100)
    monkeypatch.setattr(blobs, "MOST_IN_MEMORY", 100)
    assert blobs.at_once(large) == 3
    found = blobs.image_blobs(large)
    paths = [source for source in found.sources if isinstance(source, Path)]
    assert len(paths) == len(found.sources) == 4
    assert whole.sources == (b"".join(path.read_bytes() for path in paths),)
    assert paths[0].is_relative_to(tmp_path)
    del found
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_images_in_files_are_those_that_engines_are_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BNNBENCH_CACHE", str(tmp_path))
    dataset = open_dataset("fashion-mnist").subset(25, 0)
    model = read(shipped_models()["quicknet_xs"])
    monkeypatch.setattr(blobs, "MOST_BYTES_AT_ONCE", 10 * 784)
    small = ModelWorkload("m", model, 0, dataset)
    monkeypatch.setattr(blobs, "MOST_IN_MEMORY", 100)
    assert small.images_at_once == 10
    large = ModelWorkload("m", model, 0, dataset)
    payload = large.payload(frozenset({"plan"}))
    assert payload is not None
    assert [Path(str(source)).parent.name[:7] for source in payload.blobs[-3:]] == ["images-"] * 3
    monkeypatch.undo()
    monkeypatch.setattr(blobs, "MOST_BYTES_AT_ONCE", 10 * 784)
    assert small.image_paths == large.image_paths
    assert len(small.image_paths) == 3


def test_a_labels_file_says_it_too(bench: Bench, images: Path) -> None:
    folder = bench.folder / "flat"
    folder.mkdir()
    lines = ["file,label"]
    for number, path in enumerate(sorted((images / "shoes" / "3").iterdir())):
        content = io.BytesIO(path.read_bytes())
        PIL.Image.open(content).convert("RGB").save(folder / f"{number}.jpg", quality=100)
        lines.append(f"{number}.jpg,3")
    (folder / "labels.csv").write_text("\n".join(lines))
    found = evaluated(bench, "--dataset", "flat", "--normalize", FASHION)
    assert found["images"] == len(lines) - 1
    assert found["correct"] > len(lines) // 2
