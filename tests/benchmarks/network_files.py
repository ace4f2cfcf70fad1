"""Files of networks that are measured: real ones where BNNBENCH_GOLDEN has them, else made with the same shapes."""

from __future__ import annotations

import os
from pathlib import Path

from tests.kernels.mobilenets import mobilenet_v1
from tests.kernels.quicknets import QUICKNETS, quicknet

FOLDER = Path(os.environ.get("BNNBENCH_GOLDEN") or "none")


def network_file(name: str, folder: Path) -> Path:
    """Of a row of `QUICKNETS`, or MobileNetV1; `folder` is where it is written if it must be made, with weights that
    mean nothing."""
    path = FOLDER / f"{name}.tflite"
    if path.exists():
        return path
    made = folder / path.name
    if name in QUICKNETS:
        network, output = quicknet(name)
        made.write_bytes(network.content(output))
    else:
        made.write_bytes(mobilenet_v1("f32"))
    return made
