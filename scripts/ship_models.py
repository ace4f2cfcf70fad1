"""Puts freshly trained models into the package, with the classes that the reference gives the test images.

    .venv/bin/python scripts/ship_models.py trained

`trained` is what examples/fashion_mnist/train.py wrote. Takes some minutes: the reference is slow. What it said of a
model before is kept, unless --all is given.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from rich.progress import track

from bnnbench.kernels.models.datasets import fitting, open_dataset
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.predictions import compute_classes
from bnnbench.kernels.models.shipped import FOLDER, shipped_models
from bnnbench.kernels.models.tflite_file import read


def main(trained: Path, everything: bool) -> None:
    """Copies models, recipes and logs, and writes reference.json."""
    for path in sorted(trained.glob("*.tflite")):
        for suffix in (".tflite", ".json", ".csv"):
            shutil.copyfile(path.with_suffix(suffix), FOLDER / f"{path.stem}{suffix}")
    dataset = open_dataset("fashion-mnist")
    known = {} if everything else json.loads((FOLDER / "reference.json").read_text("utf-8"))["classes"]
    classes = {}
    for name, path in track(shipped_models().items(), description="reference"):
        model = read(path)
        if model.sha256 not in known:
            found = compute_classes(model, fitting(dataset, import_model(model), name))
            known[model.sha256] = "".join(map(str, found))
        classes[model.sha256] = known[model.sha256]
    kept = {"dataset_sha256": dataset.sha256, "classes": classes}
    (FOLDER / "reference.json").write_text(json.dumps(kept, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--all" in sys.argv[2:])
