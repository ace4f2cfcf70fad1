"""The exports table compiled to one object file."""

# mypy: allow-untyped-calls

from __future__ import annotations

from typing import Any

from numba.core import compiler, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from ..reference.exports import EXPORTS
from .c_abi import add_entry_point
from .codegen import as_default_target, cross_context


@global_compiler_lock  # type: ignore[untyped-decorator]
def compile_object(triple: str, cpu: str, features: str = "") -> bytes:
    """An ELF object with every symbol of `reference.exports`, for an LLVM triple, processor and features.

    The same bytes in every process and folder. Call it once per process, before anything is JIT-compiled.
    RuntimeError when LLVM does not know the triple.
    """
    context = cross_context("bnn_ref", triple, cpu, features)
    library = context.codegen().create_library("bnn_ref")
    for export in EXPORTS:
        with as_default_target(context):
            compiled = compiler.compile_extra(
                cpu_target.typing_context,
                context,
                export.function,
                export.arguments,
                types.none,
                _flags(),
                {},
                library=library,
            )
        add_entry_point(context, library, compiled, export.symbol, export.arguments)
    _require_same_target(library)
    library.finalize()
    return bytes(library.emit_native_object())


def _flags() -> Any:
    flags: Any = compiler.Flags()
    flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    flags.nrt = False
    flags.error_model = "numpy"
    flags.noalias = True
    return flags


def _require_same_target(library: Any) -> None:
    waiting = list(library._linking_libraries)
    while waiting:
        nested = waiting.pop()
        if nested.codegen is not library.codegen:
            raise RuntimeError(f"{nested.name} was already compiled for another processor: use a fresh process.")
        waiting += nested._linking_libraries
