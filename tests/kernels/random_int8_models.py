"""Random models of ops whose int8 form is a table or a comparison; floats are rounded to int8 before them.

Apart from `random_models.MAKERS`, so that the seeds of chains stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import random_float_models
from .random_models import ANY, MAKERS, Growing


def _rounded(m: Growing) -> None:
    if m.dtype == "float32":
        MAKERS["QUANTIZE"][1](m)


def _function(m: Growing, name: str, kind: str | None = None, **options: Any) -> None:
    _rounded(m)
    m.add(name, [m.x], m.shape, kind, **options)


def _leaky_relu(m: Growing) -> None:
    _function(m, "LEAKY_RELU", "LeakyReluOptions", alpha=float(m.one_of(0.0, 0.25, 0.2, 1.0, 1.7, -0.3)))


def _hard_swish(m: Growing) -> None:
    """Steps that are finer than a 128th of the input's are refused."""
    _rounded(m)
    least = (m.scale or 0) / 100
    m.add("HARD_SWISH", [m.x], m.shape, "HardSwishOptions", same=m.one_of(True, False))
    out = m.builder.tensors[m.x]
    out["scales"] = [max(out["scales"][0], least)]


def _min_max(m: Growing, name: str) -> None:
    _rounded(m)
    shape = m.shape
    other = m.one_of(shape, (1,), shape[-1:], (*shape[:-1], 1), tuple(1 if i % 2 else n for i, n in enumerate(shape)))
    operands = [m.x, m.builder.constant(m.values(other), m.scale, m.zero)]
    if m.rng.integers(2):
        operands.reverse()
    m.add(name, operands, shape, "MaximumMinimumOptions", same=True)


INT8_MAKERS: dict[str, tuple[str, Callable[[Growing], None]]] = {
    "RELU_0_TO_1": (ANY, lambda m: m.add("RELU_0_TO_1", [m.x], m.shape)),
    "TANH": (ANY, lambda m: _function(m, "TANH")),
    "HARD_SWISH": (ANY, _hard_swish),
    "LEAKY_RELU": (ANY, _leaky_relu),
    "MINIMUM": (ANY, lambda m: _min_max(m, "MINIMUM")),
    "MAXIMUM": (ANY, lambda m: _min_max(m, "MAXIMUM")),
}
"""As `random_models.MAKERS`."""

ALL_MAKERS = random_float_models.ALL_MAKERS | {f"{name} int8": row for name, row in INT8_MAKERS.items()}
"""Ops, and what is made of them: the first word is the op."""
