"""The networks that PyTorch trained and exported, and its predictions of the test images: examples/pytorch/trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.models.datasets import Dataset, open_dataset

Array = NDArray[Any]
FOLDER = Path(__file__).parents[3] / "examples/pytorch/trained"
BINARY_LAYERS = {"bireal": 4, "reactnet": 7}
SIGNS = {"bireal": ["Sign", "Sign", "GreaterOrEqual", "Sign"], "reactnet": ["Sign"] * 6}
"""What each tensor of bits is made by."""
EXPORTERS = ("dynamo", "script")
MODELS = {f"{name}_{exporter}": FOLDER / f"{name}_{exporter}.onnx" for name in BINARY_LAYERS for exporter in EXPORTERS}


def network_of(model: str) -> str:
    """The network of an exported file."""
    return model.rsplit("_", 1)[0]


def recipe(model: str) -> dict[str, Any]:
    """How it was made."""
    found: dict[str, Any] = json.loads((FOLDER / f"{network_of(model)}.json").read_text("utf-8"))
    return found


def predictions(model: str) -> tuple[Array, Array]:
    """PyTorch's classes of all test images, and its scores f32 [n, 10] of the first ones."""
    with np.load(FOLDER / f"{network_of(model)}.npz", allow_pickle=False) as kept:
        return kept["classes"].astype(np.int64), kept["logits"]


def fashion() -> Dataset:
    """The 10,000 test images."""
    return open_dataset("fashion-mnist")
