"""The kernels' C interface: one table that the ahead-of-time build and the C++ engine both follow.

Every symbol is `int32_t SYMBOL(arrays..., scalars...)`: an array is its data pointer followed by one int64_t
per dimension (C-contiguous, aligned to its items), a scalar is an int64_t (a float would depend on the
platform's calling convention); no symbol keeps state; the result is Numba's status, 0 when all went well.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numba import types

from .bconv2d import bconv2d
from .bgemm import bgemm
from .bitpack import bitpack
from .bmaxpool2d import bmaxpool2d
from .epilogue import clamp, scale_bias, threshold
from .transpose import transpose


@dataclass(frozen=True, slots=True)
class Export:
    """A C symbol, the function behind it and its Numba argument types."""

    symbol: str
    function: Callable[..., None]
    arguments: tuple[Any, ...]

    @property
    def declaration(self) -> str:
        """C prototype."""
        parameters = [
            text
            for name, kind in zip(inspect.signature(self.function).parameters, self.arguments, strict=True)
            for text in _c_parameters(name, kind)
        ]
        return f"int32_t {self.symbol}({', '.join(parameters)});"

    @property
    def comment(self) -> str:
        """First paragraph of the function's docstring."""
        return (inspect.getdoc(self.function) or self.symbol).split("\n\n")[0].replace("\n", " ")


def _array(dtype: Any, dimensions: int, *, readonly: bool = True) -> Any:
    return types.Array(dtype, dimensions, "C", readonly=readonly)


def _out(dtype: Any, dimensions: int) -> Any:
    return _array(dtype, dimensions, readonly=False)


_U32, _I32, _F32, _I8 = types.uint32, types.int32, types.float32, types.int8
_C_TYPE = {_U32: "uint32_t", _I32: "int32_t", _F32: "float", _I8: "int8_t"}


def _c_parameters(name: str, kind: Any) -> list[str]:
    if not isinstance(kind, types.Array):
        return [f"int64_t {name}"]
    const = "" if kind.mutable else "const "
    return [f"{const}{_C_TYPE[kind.dtype]} *{name}", *(f"int64_t {name}_{axis}" for axis in range(kind.ndim))]


EXPORTS: tuple[Export, ...] = (
    Export("bnn_ref_transpose", transpose, (_array(_U32, 2), _out(_U32, 2))),
    Export("bnn_ref_bgemm", bgemm, (_array(_U32, 2), _array(_U32, 2), _out(_I32, 2), types.int64)),
    Export("bnn_ref_bconv2d", bconv2d, (_array(_U32, 4), _array(_U32, 4), _out(_I32, 4), *[types.int64] * 9)),
    Export("bnn_ref_bitpack_f32", bitpack, (_array(_F32, 2), _out(_U32, 2), types.int64)),
    Export("bnn_ref_bitpack_i8", bitpack, (_array(_I8, 2), _out(_U32, 2), types.int64)),
    Export("bnn_ref_bmaxpool2d", bmaxpool2d, (_array(_U32, 4), _out(_U32, 4), *[types.int64] * 6)),
    Export("bnn_ref_clamp", clamp, (_out(_I32, 2), types.int64, types.int64)),
    Export(
        "bnn_ref_scale_bias",
        scale_bias,
        (_array(_I32, 2), _array(_F32, 1), _array(_F32, 1), _out(_F32, 2), types.int64, types.int64),
    ),
    Export("bnn_ref_threshold", threshold, (_array(_I32, 2), _array(_I32, 1), _out(_U32, 2), types.int64)),
)


def c_header() -> str:
    """C declarations of every export, for C and C++."""
    return "\n".join(
        [
            "/* Generated from kernels/reference/exports.py: change it there. */",
            "#ifndef BNN_REFERENCE_H",
            "#define BNN_REFERENCE_H",
            "#include <stdint.h>",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            *(f"\n/* {export.comment} */\n{export.declaration}" for export in EXPORTS),
            "",
            "#ifdef __cplusplus",
            "}",
            "#endif",
            "#endif",
            "",
        ]
    )
