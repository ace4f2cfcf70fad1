"""Trains the networks of networks.py on Fashion-MNIST in PyTorch; export.py writes them as ONNX.

Needs PyTorch and the data: Debian's package dataset-fashion-mnist, or its four .gz files in a folder (--data).
Examples:

    python examples/pytorch/train.py --out trained
    python examples/pytorch/train.py --out trained --epochs 12 reactnet

A run that was cut off goes on after its last whole epoch. 5,000 training images, drawn with the seed, are held out. The
test images are not read here at all.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path

import torch
from data import DATA, read
from networks import NETWORKS
from torch import Tensor, nn
from torch.nn import functional

HELD_OUT, BATCH, PEAK_RATE = 5_000, 128, 1e-2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to train (all): {', '.join(NETWORKS)}")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the train-*.gz files (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="where weights, logs and checkpoints go")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.names if name not in NETWORKS]:
        sys.exit(f"there is no network '{unknown[0]}'; there are {', '.join(NETWORKS)}.")
    torch.set_num_threads(chosen.threads)
    chosen.out.mkdir(parents=True, exist_ok=True)
    images, labels = read(chosen.data, "train")
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(chosen.seed))
    held_out, kept = order[:HELD_OUT], order[HELD_OUT:]
    for name in chosen.names or NETWORKS:
        run = Training(name, chosen.out, chosen.seed, chosen.epochs, steps=len(kept) // BATCH)
        while run.epoch < chosen.epochs:
            run.train_an_epoch(images[kept], labels[kept])
            run.keep(accuracy(run.model, images[held_out], labels[held_out]))
        run.finish(len(kept))


class Training:
    """One network on its way, which is kept after every epoch."""

    def __init__(self, name: str, out: Path, seed: int, epochs: int, steps: int) -> None:
        self.name, self.out, self.seed, self.steps = name, out, seed, steps
        torch.manual_seed(seed)
        self.model = NETWORKS[name]()
        self.optimizer = torch.optim.Adam(self.model.parameters(), PEAK_RATE)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, PEAK_RATE, total_steps=steps * epochs, pct_start=0.15
        )
        self.log: list[dict[str, float]] = []
        self._state = out / f"{name}.state.pt"
        if self._state.exists():
            kept = torch.load(self._state, weights_only=True)
            for part, state in zip((self.model, self.optimizer, self.schedule), kept["states"], strict=True):
                part.load_state_dict(state)
            self.log = kept["log"]

    @property
    def epoch(self) -> int:
        return len(self.log)

    def train_an_epoch(self, images: Tensor, labels: Tensor) -> None:
        # Every epoch has its own seed, so that a run that was cut off draws what it would have drawn.
        random = torch.Generator().manual_seed(1000 * self.seed + self.epoch)
        order = torch.randperm(len(images), generator=random)
        self.model.train()
        for places in order[: self.steps * BATCH].split(BATCH):
            mirrored = torch.rand(len(places), generator=random) < 0.5
            x = images[places]
            x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
            self.optimizer.zero_grad()
            functional.cross_entropy(self.model(x), labels[places]).backward()
            self.optimizer.step()
            self.schedule.step()

    def keep(self, held_out: float) -> None:
        self.log.append({"epoch": self.epoch + 1, "held_out_accuracy": held_out})
        print(f"{self.name}: epoch {self.epoch}, {held_out:.2%} of the held-out images", flush=True)
        states = [part.state_dict() for part in (self.model, self.optimizer, self.schedule)]
        part = self._state.with_suffix(".part")
        torch.save({"states": states, "log": self.log}, part)
        part.replace(self._state)

    def finish(self, trained_on: int) -> None:
        torch.save(self.model.state_dict(), self.out / f"{self.name}.pt")
        about = {
            "name": self.name,
            "epochs": self.epoch,
            "batch": BATCH,
            "optimizer": f"Adam, one cycle to {PEAK_RATE:g}",
            "augmentation": "horizontal flip",
            "seed": self.seed,
            "trained_on": trained_on,
            "held_out": HELD_OUT,
            "held_out_accuracy": self.log[-1]["held_out_accuracy"],
            "versions": {"torch": torch.__version__, "python": platform.python_version()},
        }
        (self.out / f"{self.name}.json").write_text(json.dumps(about, indent=2) + "\n")


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images that are classified rightly."""
    model.eval()
    with torch.no_grad():
        right = sum(
            int((model(x).argmax(1) == y).sum()) for x, y in zip(images.split(500), labels.split(500), strict=True)
        )
    return right / len(images)


if __name__ == "__main__":
    main()
