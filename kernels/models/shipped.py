"""Models that come with the package: a family for Fashion-MNIST, trained in Larq and converted by LCE."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "fashion_mnist"


def shipped_models() -> dict[str, Path]:
    """Name -> `.tflite`, from small to large."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.tflite"), key=lambda path: path.stat().st_size)}


def recipe(name: str) -> Mapping[str, Any]:
    """How a shipped model was trained: networks, seed, accuracy on held-out images, versions."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return found
