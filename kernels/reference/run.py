"""Runs a whole op with the reference kernels: raw kernel, then epilogue; in CPython or under Numba's JIT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..ops import NUMPY_DTYPE, BConv2d, BGemm, BitPack, BMaxPool2d, KernelSpec
from .bconv2d import bconv2d
from .bgemm import bgemm
from .bitpack import bitpack
from .bmaxpool2d import bmaxpool2d
from .epilogue import clamp, scale_bias, threshold
from .transpose import transpose

Array = NDArray[Any]
Arrays = Mapping[str, Array]
Compile = Callable[[Callable[..., None]], Callable[..., None]]


def run_python(spec: KernelSpec, arrays: Arrays) -> Array:
    """The op in CPython, unchanged Numba kernels: slow, and the easiest to step through. -> `spec.output`."""
    return compose(spec, arrays, lambda function: function)


def run_jit(spec: KernelSpec, arrays: Arrays) -> Array:
    """The op with kernels compiled by Numba for this machine, without the GIL. -> `spec.output`."""
    return compose(spec, arrays, jit)


@cache
def jit(function: Callable[..., None]) -> Callable[..., None]:
    """A kernel compiled for this machine; the first call with new argument types compiles (seconds)."""
    compiled: Callable[..., None] = numba.njit(nogil=True, error_model="numpy")(function)
    return compiled


def compose(spec: KernelSpec, arrays: Arrays, compiled: Compile) -> Array:
    """The op as raw kernel and epilogue, each called as `compiled(function)`. -> `spec.output`."""
    out = np.empty(spec.output.shape, NUMPY_DTYPE[spec.output.dtype])
    match spec:
        case BGemm():
            dot = np.empty((spec.m, spec.n), np.int32)
            compiled(bgemm)(arrays["a"], _transposed(arrays["b"], compiled), dot, spec.k)
            if spec.out == "i32":
                return dot
            low, high = -(2**31), 2**31 - 1
            compiled(scale_bias)(dot, arrays["multiplier"], arrays["bias"], out, low, high)
        case BConv2d():
            _convolve(spec, arrays, out, compiled)
        case BitPack():
            compiled(bitpack)(arrays["x"], out, spec.zero_point)
        case BMaxPool2d():
            window = (spec.kh, spec.kw, spec.sh, spec.sw, spec.pad_top, spec.pad_left)
            compiled(bmaxpool2d)(arrays["x"], out, *window)
    return out


def _convolve(spec: BConv2d, arrays: Arrays, out: Array, compiled: Compile) -> None:
    filters = arrays["filter"]
    weights = _transposed(filters.reshape(spec.oc, -1), compiled).reshape(*filters.shape[1:], spec.oc)
    pixels = (spec.n, spec.out_h, spec.out_w)
    dot = out if spec.out == "i32" else np.empty((*pixels, spec.oc), np.int32)
    window = (spec.sh, spec.sw, spec.dh, spec.dw, spec.pad_top, spec.pad_left, spec.pad_value)
    compiled(bconv2d)(arrays["x"], weights, dot, spec.c, spec.groups, *window)
    rows, flat = dot.reshape(-1, spec.oc), out.reshape(-1, out.shape[-1])
    match spec.out:
        case "f32":
            compiled(scale_bias)(rows, arrays["multiplier"], arrays["bias"], flat, *spec.clamp)
        case "bits":
            compiled(threshold)(rows, arrays["threshold"], flat, spec.dot_length)
        case "i32" if spec.act != "none":
            compiled(clamp)(rows, *spec.clamp)


def _transposed(weights: Array, compiled: Compile) -> Array:
    out = np.empty(weights.shape[::-1], np.uint32)
    compiled(transpose)(weights, out)
    return out
