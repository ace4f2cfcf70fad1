"""Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017), normalized as bnnbench's dataset `fashion-mnist` is."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

DATA = Path("/usr/share/datasets/fashion-mnist")
SCALE, OFFSET = np.float32(1 / (255 * 0.3530)), np.float32(-0.2860 / 0.3530)


def read(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    """Images f32 [n, 1, 28, 28] and labels i64 [n] of the part "train" or "t10k"."""
    try:
        image_bytes = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
        label_bytes = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    except OSError as error:
        sys.exit(f"{error}; install the package dataset-fashion-mnist, or name a folder with its files by --data.")
    images = np.frombuffer(image_bytes, np.uint8, offset=16).reshape(-1, 1, 28, 28)
    labels = np.frombuffer(label_bytes, np.uint8, offset=8).astype(np.int64)
    return torch.from_numpy(images.astype(np.float32) * SCALE + OFFSET), torch.from_numpy(labels)
