"""Signs with a gradient, in the forms in which people write them in PyTorch.

The sign of a value has no useful gradient. All forms compute the sign, and pass the gradient of something else (Bengio
et al., "straight-through estimator", 2013):

- `PolynomialSign`: a torch.autograd.Function, as in Bi-Real Net (Liu et al. 2018);
- `polynomial_sign`: the same gradient by `sign(x).detach() - y.detach() + y`, as in ReActNet's code (Liu et al. 2020);
- `clipped_sign`: `(sign(x) - y).detach() + y` with y the hard tanh of x, as in many codes;
- `where_sign`: as `clipped_sign`, where 0 becomes +1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class PolynomialSign(torch.autograd.Function):
    """The sign of x; its gradient is that of a polynomial of second order: 2 - 2 |x| from -1 to 1, else 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * (2 - 2 * x.abs()).clamp(min=0)


def function_sign(x: Tensor) -> Tensor:
    """By `PolynomialSign`."""
    return PolynomialSign.apply(x)


def polynomial_sign(x: Tensor) -> Tensor:
    """By the polynomial itself, put together from masks, as ReActNet's code does."""
    below, negative, inside = (mask.type(torch.float32) for mask in (x < -1, x < 0, x < 1))
    left = -1 * below + (x * x + 2 * x) * (1 - below)
    both = left * negative + (-x * x + 2 * x) * (1 - negative)
    y = both * inside + 1 * (1 - inside)
    return x.sign().detach() - y.detach() + y


def clipped_sign(x: Tensor) -> Tensor:
    """By the hard tanh of x."""
    y = functional.hardtanh(x)
    return (x.sign() - y).detach() + y


def where_sign(x: Tensor) -> Tensor:
    """By the hard tanh of x; +1 where x is 0."""
    y = x.clamp(-1, 1)
    return y + (torch.where(x >= 0, 1.0, -1.0) - y).detach()


class ShiftedSign(nn.Module):
    """ReActNet's RSign: a learnt shift of each channel before the sign."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return polynomial_sign(x + self.shift.expand_as(x))


class ShiftedPReLU(nn.Module):
    """ReActNet's RPReLU: learnt shifts of each channel before and after a PReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.before = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.slope = nn.PReLU(channels)
        self.after = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.slope(x + self.before.expand_as(x)) + self.after.expand_as(x)


class BinaryConv2d(nn.Module):
    """A convolution by the signs of its weights, scaled by the mean of their sizes for each output (XNOR-Net, 2016).

    The padding is zeros. `form` is how the signs get their gradient: "clip" as `clipped_sign`, "detach" as
    ReActNet's code writes it.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, form: str = "clip") -> None:
        super().__init__()
        self.weight = nn.Parameter(0.1 * torch.randn(outputs, inputs, kernel, kernel))
        self.stride, self.padding, self.form = stride, kernel // 2, form

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.binarized(), stride=self.stride, padding=self.padding)

    def binarized(self) -> Tensor:
        """+a and -a, with another a for each output."""
        real = self.weight
        scale = real.abs().mean(dim=(1, 2, 3), keepdim=True).detach()
        clipped = real.clamp(-1.0, 1.0)
        if self.form == "clip":
            return (scale * real.sign() - clipped).detach() + clipped
        return (scale * real.sign()).detach() - clipped.detach() + clipped
