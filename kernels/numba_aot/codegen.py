"""Numba's code generator for another processor, through private interfaces (hence the pin in pyproject)."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, codegen
from numba.core.registry import cpu_target


class CrossCodegen(codegen.AOTCPUCodegen):
    """Generates code for `triple` and `cpu` where Numba would ask the host."""

    def __init__(self, name: str, triple: str, cpu: str, features: str) -> None:
        self._triple, self._cpu, self._features = triple, cpu, features
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        super().__init__(name, cpu)

    def _init(self, llvm_module: Any) -> None:
        self._tm = llvm.Target.from_triple(self._triple).create_target_machine(
            cpu=self._cpu, features=self._features, opt=3, reloc="pic", codemodel="default"
        )
        self._tm_features = self._features
        self._target_data = self._tm.target_data
        self._data_layout = str(self._target_data)
        self._loopvect, self._opt_level = False, 0  # of the first, cheap pass; the full one follows

    def _create_empty_module(self, name: str) -> Any:
        module = ir.Module(cgutils.normalize_ir_text(name))
        module.triple = self._triple
        if self._data_layout:
            module.data_layout = self._data_layout
        return module


def cross_context(name: str, triple: str, cpu: str, features: str) -> Any:
    """A Numba target context that compiles for another processor and never for this process."""
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
    return cpu_target.target_context.subtarget(
        _internal_codegen=CrossCodegen(name, triple, cpu, features),
        aot_mode=True,
        # Nothing runs here, but Numba keys nested functions on this object: it must be a builtin function,
        # and a different one each time, or a call of max becomes one of min.
        get_executable=lambda library, description, environment: [].append,
        post_lowering=lambda module, library: None,  # would link the host's runtime in
    )


@contextmanager
def as_default_target(context: Any) -> Iterator[None]:
    """Nested functions are compiled through dispatchers bound to the global CPU target: make it `context`."""
    state = cpu_target.__dict__
    key = "_toplevel_target_context"
    before = state[key]
    state[key] = context
    try:
        yield
    finally:
        state[key] = before
