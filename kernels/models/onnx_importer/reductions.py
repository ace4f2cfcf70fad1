"""Constants that are reduced along axes: exporters leave the scales of binarized weights to be computed so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .call import Call

Array = NDArray[Any]


def _largest(data: Array, **along: Any) -> Array:
    return np.asarray(data.max(**along))


def _smallest(data: Array, **along: Any) -> Array:
    return np.asarray(data.min(**along))


def _norm(data: Array, **along: Any) -> Array:
    return np.asarray(np.sqrt((_wide(data) ** 2).sum(**along)))


def _wide(data: Array) -> Array:
    """Floats as f64, so that sums hardly depend on their order."""
    return data.astype(np.float64) if data.dtype.kind == "f" else data


def _reduced(compute: Callable[..., Array], call: Call) -> Array:
    """`compute` along the axes; where none are given along all, or, if the op says so, on each number alone."""
    data, keeps = call.constant(0, "input"), bool(call.integer("keepdims", 1, 0, 1))
    return np.asarray(compute(data, axis=call.reduced(data.ndim), keepdims=keeps)).astype(data.dtype)


REDUCTIONS: Mapping[str, Callable[[Call], Array]] = {
    "ReduceSum": partial(_reduced, lambda data, **along: _wide(data).sum(**along)),
    "ReduceMean": partial(_reduced, lambda data, **along: _wide(data).mean(**along)),
    "ReduceProd": partial(_reduced, lambda data, **along: _wide(data).prod(**along)),
    "ReduceL1": partial(_reduced, lambda data, **along: np.abs(_wide(data)).sum(**along)),
    "ReduceL2": partial(_reduced, _norm),
    "ReduceMax": partial(_reduced, _largest),
    "ReduceMin": partial(_reduced, _smallest),
}
"""Op -> its value of a constant."""
