"""Exports each way to write a sign in PyTorch, with what PyTorch computes: the cases of a test of bnnbench's importer.

    python examples/pytorch/forms.py --out examples/pytorch/trained/forms.npz

Of each form, the file has the .onnx bytes by each exporter (uint8) and the outputs f32 [2, 8, 6, 5] of a binary
convolution behind the sign; for all, it has an input f32 [2, 4, 6, 5], of whose second image a third of the values is
0.
Networks are not trained; the seed is 1.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from binarizers import BinaryConv2d, ShiftedSign, clipped_sign, function_sign, polynomial_sign, where_sign
from export import exported
from torch import Tensor, nn
from torch.nn import functional

SHAPE, OUTPUTS = (2, 4, 6, 5), 8


def chosen_tensors(x: Tensor) -> Tensor:
    return torch.where(x >= 0, torch.ones_like(x), -torch.ones_like(x))


def truths_as_floats(x: Tensor) -> Tensor:
    return 2 * (x > 0).float() - 1


def sign_twice(x: Tensor) -> Tensor:
    """Without zeros, as in Hubara's code."""
    return x.sign().add(0.01).sign()


def zeros_set(x: Tensor) -> Tensor:
    found = x.sign()
    found[found == 0] = 1
    return found


def masked_zeros(x: Tensor) -> Tensor:
    found = x.sign()
    return found.masked_fill(found == 0, 1.0)


def rounded(x: Tensor) -> Tensor:
    """As DoReFa-Net's code with one bit: round((clip(x) + 1) / 2) * 2 - 1."""
    return torch.round(((x + 1) / 2).clamp(0, 1)) * 2 - 1


def moved_little(x: Tensor) -> Tensor:
    return torch.sign(x + 1e-6)


def clipped_before(x: Tensor) -> Tensor:
    return torch.sign(functional.hardtanh(x))


def by_tanh(x: Tensor) -> Tensor:
    """The gradient is that of a tanh, as in IR-Net's and other codes."""
    y = torch.tanh(3 * x)
    return (torch.sign(x) - y).detach() + y


SIGNS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "function": function_sign,
    "polynomial": polynomial_sign,
    "clipped": clipped_sign,
    "where": where_sign,
    "chosen tensors": chosen_tensors,
    "truths as floats": truths_as_floats,
    "sign twice": sign_twice,
    "zeros set": zeros_set,
    "masked zeros": masked_zeros,
    "rounded": rounded,
    "moved little": moved_little,
    "clipped before": clipped_before,
    "by tanh": by_tanh,
}


class Behind(nn.Module):
    """A binary convolution behind a sign."""

    def __init__(self, sign: Callable[[Tensor], Tensor], weights: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.sign, self.weights = sign, weights
        self.conv = BinaryConv2d(SHAPE[1], OUTPUTS, 3)

    def forward(self, x: Tensor) -> Tensor:
        signs = self.sign(x)
        if self.weights is None:
            return self.conv(signs)
        return functional.conv2d(signs, self.weights(self.conv.weight), padding=1)


def detached(w: Tensor) -> Tensor:
    """As ReActNet's code."""
    scale = w.abs().mean(3, keepdim=True).mean(2, keepdim=True).mean(1, keepdim=True).detach()
    clipped = torch.clamp(w, -1.0, 1.0)
    return (scale * torch.sign(w)).detach() - clipped.detach() + clipped


def balanced(w: Tensor) -> Tensor:
    """As IR-Net's code: standardized, and scaled by a power of 2."""
    flat = w.view(w.size(0), -1)
    w = w - flat.mean(-1).view(-1, 1, 1, 1)
    w = w / w.view(w.size(0), -1).std(-1).view(-1, 1, 1, 1)
    mean = w.abs().view(w.size(0), -1).mean(-1)
    scale = torch.pow(2.0, (torch.log(mean) / math.log(2)).round()).view(-1, 1, 1, 1)
    return torch.sign(w) * scale


def by_norm(w: Tensor) -> Tensor:
    """As XNOR-Net's code: the sum of the sizes, divided by their number."""
    count = w[0].nelement()
    scale = w.norm(1, 3, keepdim=True).sum(2, keepdim=True).sum(1, keepdim=True).div(count)
    return w.sign().mul(scale.expand(w.size()))


def by_function(w: Tensor) -> Tensor:
    return function_sign(w)


def learnt_scale(w: Tensor) -> Tensor:
    return torch.where(w >= 0, 1.0, -1.0) * torch.linspace(0.5, 2, w.size(0)).view(-1, 1, 1, 1)


WEIGHTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "weights detached": detached,
    "weights balanced": balanced,
    "weights by norm": by_norm,
    "weights by function": by_function,
    "weights with a learnt scale": learnt_scale,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    chosen = parser.parse_args()
    torch.manual_seed(1)
    x = torch.randn(SHAPE)
    x[1] *= torch.rand(SHAPE[1:]) > 1 / 3
    kept = {"input": x.numpy()}
    forms = {name: Behind(sign) for name, sign in SIGNS.items()}
    forms |= {name: Behind(function_sign, weights) for name, weights in WEIGHTS.items()}
    forms["shifted"] = Behind(ShiftedSign(SHAPE[1]))
    with tempfile.TemporaryDirectory() as folder:
        for name, model in forms.items():
            model.eval()
            with torch.no_grad():
                kept[f"{name}, output"] = model(x).numpy()
            for path in exported(model, Path(folder) / "form", x):
                kept[f"{name}, {path.stem.removeprefix('form_')}"] = np.frombuffer(path.read_bytes(), np.uint8)
    np.savez_compressed(chosen.out, **kept)


if __name__ == "__main__":
    main()
