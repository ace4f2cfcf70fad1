"""Writes the networks that train.py trained as ONNX, by both exporters, with PyTorch's predictions of the test images.

    python examples/pytorch/export.py trained --out examples/pytorch/trained

For each network: NAME_dynamo.onnx and NAME_script.onnx (`torch.onnx.export` with and without `dynamo`), NAME.npz with
`classes` (uint8, of all 10,000 test images) and `logits` (float32, of the first 1,000), and NAME.json with how it was
made.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxscript
import torch
from data import DATA, read
from networks import NETWORKS
from torch import Tensor, nn

KEPT_LOGITS = 1_000
EXPORTERS = {"dynamo": True, "script": False}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=Path, help="what train.py wrote")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the t10k-*.gz files (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="where the files go")
    chosen = parser.parse_args()
    torch.set_num_threads(1)  # sums in one order
    images, labels = read(chosen.data, "t10k")
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name, build in NETWORKS.items():
        model = build()
        model.load_state_dict(torch.load(chosen.trained / f"{name}.pt", weights_only=True))
        model.eval()
        about = json.loads((chosen.trained / f"{name}.json").read_text())
        about["versions"] |= {"onnx": onnx.__version__, "onnxscript": onnxscript.__version__}
        about["files"] = {path.name: _sha256(path) for path in exported(model, chosen.out / name, images[:2])}
        logits = predicted(model, images)
        classes = logits.argmax(1).astype(np.uint8)
        about["test_accuracy"] = float((classes == labels.numpy()).mean())
        np.savez_compressed(chosen.out / f"{name}.npz", classes=classes, logits=logits[:KEPT_LOGITS])
        (chosen.out / f"{name}.json").write_text(json.dumps(about, indent=2) + "\n")
        print(f"{name}: {about['test_accuracy']:.2%} of the test images", flush=True)


def exported(model: nn.Module, stem: Path, example: Tensor) -> list[Path]:
    """The model's files, each with any number of images as a batch."""
    paths = []
    for exporter, dynamo in EXPORTERS.items():
        path = stem.with_name(f"{stem.name}_{exporter}.onnx")
        axes = {"dynamic_shapes": ({0: torch.export.Dim("n")},)} if dynamo else {"dynamic_axes": {"image": {0: "n"}}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the older exporter is deprecated, and still what many use
            torch.onnx.export(
                *(model, (example,), path),
                dynamo=dynamo,
                external_data=False,
                input_names=["image"],
                output_names=["scores"],
                **axes,
            )
        _without_traces(path)
        paths.append(path)
    return paths


def _without_traces(path: Path) -> None:
    """Leaves out in which file of this machine each node was written, up to half of the newer exporter's files."""
    model = onnx.load(path)
    for part in (model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for port in (*model.graph.input, *model.graph.output):
        port.ClearField("metadata_props")
    onnx.save(model, path)


def predicted(model: nn.Module, images: Tensor) -> np.ndarray:
    """Class scores f32 [n, 10]."""
    with torch.no_grad():
        return torch.cat([model(part) for part in images.split(500)]).numpy()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
