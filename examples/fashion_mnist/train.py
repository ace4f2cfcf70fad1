"""Trains the family of family.py on Fashion-MNIST and converts it with Larq Compute Engine.

Needs its own environment (`bnnbench engines install larq` prints its Python) and the data (Debian's package
dataset-fashion-mnist, or the four .gz files in a folder). Examples:

    PYTHON=$(bnnbench engines install larq)
    $PYTHON examples/fashion_mnist/train.py --out trained
    $PYTHON examples/fashion_mnist/train.py --out trained quicknet_xs quicknet_s

A run that was cut off goes on after its last whole epoch. 5,000 training images, drawn with the seed, are held out:
everything that was chosen was chosen by them. The test images are not read here at all; `bnnbench eval` reads them.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import math
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import larq
import larq_compute_engine
import numpy as np
import tensorflow as tf
from family import FAMILY, MEAN, SIDE, STD, Network, build

DATA = Path("/usr/share/datasets/fashion-mnist")
HELD_OUT = 5_000
BATCH = 128
PEAK_RATE = 1e-2
WARM_UP = 0.15  # of all steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to train (all): {', '.join(FAMILY)}")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the train-*.gz files (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="where models, logs and checkpoints go")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.names if name not in FAMILY]:
        sys.exit(f"there is no network '{unknown[0]}'; there are {', '.join(FAMILY)}.")
    images, labels = read(chosen.data, "train")
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name in chosen.names or FAMILY:
        if (chosen.out / f"{name}.json").exists():
            print(f"{name}: already trained", flush=True)
            continue
        train(FAMILY[name], images, labels, chosen.out, chosen.seed)


def read(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28, 1) uint8 and labels (n,) int32 of the IDX files."""
    try:
        image_bytes = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
        label_bytes = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    except OSError as error:
        sys.exit(f"{error}; install the package dataset-fashion-mnist, or name a folder with its files by --data.")
    images = np.frombuffer(image_bytes, np.uint8, offset=16).reshape(-1, SIDE, SIDE, 1)
    return images, np.frombuffer(label_bytes, np.uint8, offset=8).astype(np.int32)


class OneCycle(tf.keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up to PEAK_RATE, then half a cosine down to zero."""

    def __init__(self, steps: int) -> None:
        self.steps = float(steps)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        part = tf.cast(step, tf.float32) / self.steps
        down = 0.5 * (1 + tf.cos(math.pi * (part - WARM_UP) / (1 - WARM_UP)))
        return PEAK_RATE * tf.where(part < WARM_UP, part / WARM_UP, down)

    def get_config(self) -> dict[str, float]:
        return {"steps": self.steps}


def train(network: Network, images: np.ndarray, labels: np.ndarray, out: Path, seed: int) -> None:
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(seed)
    order = np.random.default_rng(seed).permutation(len(images))
    held_out, kept = order[:HELD_OUT], order[HELD_OUT:]
    data = tf.data.Dataset.from_tensor_slices((images[kept], labels[kept])).cache()
    data = data.shuffle(len(kept), seed=seed).batch(BATCH, drop_remainder=True).map(flipped).prefetch(4)
    check = tf.data.Dataset.from_tensor_slices((images[held_out], labels[held_out])).batch(500).map(normalized)

    model = build(network)
    model.compile(
        tf.keras.optimizers.Adam(OneCycle(network.epochs * len(data))),
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        ["accuracy"],
    )
    state, log = out / "state" / network.name, out / f"{network.name}.csv"
    begin = time.time()
    model.fit(
        data,
        epochs=network.epochs,
        validation_data=check,
        verbose=2,
        callbacks=[
            tf.keras.callbacks.BackupAndRestore(str(state), delete_checkpoint=False),
            tf.keras.callbacks.CSVLogger(str(log), append=True),
        ],
    )
    _, accuracy = model.evaluate(check, verbose=0)
    flat = convert(model)
    (out / f"{network.name}.tflite").write_bytes(flat)
    about = {
        "name": network.name,
        "widths": network.widths,
        "blocks": network.blocks,
        "kind": network.kind,
        "epochs": network.epochs,
        "batch": BATCH,
        "optimizer": f"Adam, one cycle to {PEAK_RATE:g}",
        "augmentation": "horizontal flip",
        "seed": seed,
        "trained_on": len(kept),
        "held_out": HELD_OUT,
        "held_out_accuracy": round(accuracy, 4),
        "bytes": len(flat),
        "sha256": hashlib.sha256(flat).hexdigest(),
        "versions": {
            "larq": larq.__version__,
            "larq-compute-engine": larq_compute_engine.__version__,
            "tensorflow": tf.__version__,
        },
    }
    (out / f"{network.name}.json").write_text(json.dumps(about, indent=2) + "\n")
    print(f"{network.name}: {accuracy:.2%} held out, {len(flat)} bytes, {time.time() - begin:.0f} s", flush=True)


def normalized(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return (tf.cast(images, tf.float32) / 255 - MEAN) / STD, labels


def flipped(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Every second image mirrored, on average."""
    mirror = tf.random.uniform((tf.shape(images)[0], 1, 1, 1)) < 0.5
    return normalized(tf.where(mirror, tf.reverse(images, [2]), images), labels)


def convert(model: tf.keras.Model) -> bytes:
    """The model's .tflite, batch 1. By a SavedModel with one signature: it skips Keras' slow tracing of each layer."""
    module = tf.Module()
    module.held = list(model.variables)
    predict = tf.function(lambda x: model(x, training=False))
    signature = predict.get_concrete_function(tf.TensorSpec((1, SIDE, SIDE, 1), tf.float32, name="image"))
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=signature)
        return larq_compute_engine.convert_saved_model(folder)


if __name__ == "__main__":
    main()
