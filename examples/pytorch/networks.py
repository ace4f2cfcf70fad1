"""Two small binarized networks for Fashion-MNIST: one in the style of Bi-Real Net, one in that of ReActNet."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from binarizers import BinaryConv2d, ShiftedPReLU, ShiftedSign, clipped_sign, function_sign, where_sign
from torch import Tensor, nn

CLASSES = 10


class BiRealBlock(nn.Module):
    """sign -> binary 3x3 -> batch normalization, and a shortcut around it (Liu et al., "Bi-Real Net", 2018)."""

    def __init__(self, inputs: int, outputs: int, stride: int, sign: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.sign = sign
        self.conv = BinaryConv2d(inputs, outputs, 3, stride)
        self.norm = nn.BatchNorm2d(outputs)
        self.short: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.short = nn.Sequential(
                nn.AvgPool2d(stride), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(self.sign(x))) + self.short(x)


class BiReal(nn.Module):
    """Input f32 [n, 1, 28, 28], output f32 [n, 10], class scores. Each block has its sign written in another form."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32))
        self.blocks = nn.Sequential(
            BiRealBlock(32, 32, 1, function_sign),
            BiRealBlock(32, 32, 1, clipped_sign),
            BiRealBlock(32, 64, 2, where_sign),
            BiRealBlock(64, 64, 1, function_sign),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.blocks(self.stem(x)))
        return self.head(x.view(x.size(0), -1))


class ReActBlock(nn.Module):
    """RSign, binary 3x3, shortcut, RPReLU, RSign, binary 1x1, shortcut, RPReLU (Liu et al., "ReActNet", 2020).

    Twice as many outputs are made by two 1x1 convolutions side by side.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.spread = nn.Sequential(
            ShiftedSign(inputs), BinaryConv2d(inputs, inputs, 3, stride, "detach"), nn.BatchNorm2d(inputs)
        )
        self.short = nn.AvgPool2d(2) if stride == 2 else nn.Identity()
        self.between = ShiftedPReLU(inputs)
        self.sign = ShiftedSign(inputs)
        self.mixes = nn.ModuleList(
            nn.Sequential(BinaryConv2d(inputs, inputs, 1, 1, "detach"), nn.BatchNorm2d(inputs))
            for _ in range(outputs // inputs)
        )
        self.after = ShiftedPReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.between(self.spread(x) + self.short(x))
        signs = self.sign(x)
        return self.after(torch.cat([mix(signs) + x for mix in self.mixes], dim=1))


class ReAct(nn.Module):
    """Input f32 [n, 1, 28, 28], output f32 [n, 10], class scores."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32))
        self.blocks = nn.Sequential(ReActBlock(32, 32, 1), ReActBlock(32, 64, 2), ReActBlock(64, 64, 1))
        self.head = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x)).mean(dim=(2, 3))
        return self.head(x)


NETWORKS: Mapping[str, Callable[[], nn.Module]] = {"bireal": BiReal, "reactnet": ReAct}
"""Name -> an untrained network."""
