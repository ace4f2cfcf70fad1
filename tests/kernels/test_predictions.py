"""The reference's classes: those that are shipped are what the reference says, and those that are kept are too."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from bnnbench.kernels.models import predictions
from bnnbench.kernels.models.datasets import Dataset, open_dataset
from bnnbench.kernels.models.predictions import affordable, compute_classes, reference_classes, top1
from bnnbench.kernels.models.shipped import recipe, shipped_models
from bnnbench.kernels.models.tflite_file import read

MODELS = shipped_models()


@pytest.fixture(scope="module")
def fashion() -> Dataset:
    return open_dataset("fashion-mnist")


@pytest.mark.parametrize("name", MODELS)
def test_shipped_classes_are_the_references(fashion: Dataset, name: str) -> None:
    model, part = read(MODELS[name]), fashion.subset(20, 7)
    assert (reference_classes(model, part) == compute_classes(model, part)).all()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MODELS)
def test_all_shipped_classes_are_the_references(fashion: Dataset, name: str) -> None:
    model = read(MODELS[name])
    assert (reference_classes(model, fashion) == compute_classes(model, fashion)).all()


def test_every_shipped_model_has_its_recipe_and_its_classes(fashion: Dataset) -> None:
    kept = json.loads(predictions._SHIPPED.read_text())
    assert kept["dataset_sha256"] == fashion.sha256
    assert set(kept["classes"]) == {recipe(name)["sha256"] for name in MODELS}
    for name, path in MODELS.items():
        told, content = recipe(name), path.read_bytes()
        assert told["sha256"] == hashlib.sha256(content).hexdigest()
        assert told["bytes"] == len(content)
        assert path.with_suffix(".csv").read_text().count("\n") == told["epochs"] + 1
        # The test images are no part of it, and what they say is near what the held-out ones said.
        accuracy = float((reference_classes(read(path), fashion) == fashion.labels).mean())
        assert accuracy == pytest.approx(told["held_out_accuracy"], abs=0.015)


def test_what_is_computed_is_kept(fashion: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(predictions, "cache_folder", lambda: tmp_path)
    model = read(MODELS["quicknet_xs"])
    mine = Dataset("mine", fashion.images[:30], fashion.labels[:30], fashion.preprocessing)
    told: list[tuple[int, int]] = []
    first = reference_classes(model, mine, lambda done, of: told.append((done, of)))
    assert told == [(0, 30)]
    monkeypatch.setattr(predictions, "compute_classes", lambda *_: pytest.fail("it was kept"))
    assert (reference_classes(model, mine) == first).all()
    (kept,) = tmp_path.rglob("*.npy")
    kept.write_bytes(b"damaged")
    monkeypatch.undo()
    monkeypatch.setattr(predictions, "cache_folder", lambda: tmp_path)
    assert (reference_classes(model, mine) == first).all()


def test_what_is_kept_depends_on_every_importer() -> None:
    folders = {path.name for path in Path(predictions.__file__).parent.glob("*importer")}
    assert folders == {name for name in predictions._DECIDING if name.endswith("importer")}


def test_a_last_batch_that_is_short(fashion: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "BATCH", 8)
    model = read(MODELS["quicknet_xs"])
    part = Dataset("mine", fashion.images[:19], fashion.labels[:19], fashion.preprocessing)
    assert (compute_classes(model, part) == reference_classes(model, fashion)[:19]).all()


def test_the_first_of_equal_scores() -> None:
    assert top1(np.array([[1, 3, 3], [2, 2, 0]])).tolist() == [1, 0]


def test_on_all_cores_it_is_the_same(fashion: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """In processes of their own, which leave the environment as it was, with progress to the end."""
    monkeypatch.setattr(predictions, "BATCH", 8)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    model = read(MODELS["quicknet_xs"])
    part = Dataset("mine", fashion.images[:61], fashion.labels[:61], fashion.preprocessing)
    told: list[int] = []
    found = compute_classes(model, part, lambda done, of: told.append(done))
    assert (found == reference_classes(model, fashion)[:61]).all()
    assert told == [0, 8, 16, 24, 32, 40, 48, 56, 61]
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    assert not multiprocessing.active_children()


def test_an_interrupt_ends_the_processes(fashion: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "BATCH", 8)
    part = Dataset("mine", fashion.images[:80], fashion.labels[:80], fashion.preprocessing)

    def impatient(done: int, of: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute_classes(read(MODELS["quicknet_xs"]), part, impatient)
    assert not multiprocessing.active_children()


def test_how_many_images_the_reference_is_run_on(fashion: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    model = read(MODELS["quicknet_xs"])
    assert affordable(model, fashion) == 10_000  # shipped
    assert affordable(model, fashion.subset(50, 1)) == 50
    mine = Dataset("mine", fashion.images[:9999], fashion.labels[:9999], fashion.preprocessing)
    assert affordable(model, mine) == 9999  # quick
    counts = {400_000_000: 1000, 1_172_000_000: 300, 90_000_000_000: 100, 10**15: 100}
    for macs, count in counts.items():  # of an image
        monkeypatch.setattr(predictions, "_macs", lambda _, macs=macs: macs)
        assert affordable(model, mine) == count
        few = Dataset("few", mine.images[:60], mine.labels[:60], mine.preprocessing)
        assert affordable(model, few) == 60
