"""Links the ahead-of-time object into a shared library for this process, or a static program.

Both are given to `reference.run.compose` as the thing that turns a kernel function into a callable.
"""

from __future__ import annotations

import ctypes
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bnnbench.kernels.numba_aot.targets import NumbaTarget
from bnnbench.kernels.reference.exports import EXPORTS, Export, c_header

COMPILE_SECONDS = 120
LINK_SECONDS = 600


def build_object(target: NumbaTarget, output: Path) -> Path:
    """The object file, compiled in a process of its own."""
    command = [sys.executable, "-m", "bnnbench.kernels.numba_aot", "--triple", target.llvm_triple]
    command += ["--cpu", target.llvm_cpu, f"--features={target.features}", "-o", str(output)]
    subprocess.run(command, check=True, timeout=COMPILE_SECONDS)
    return output


def load_shared(object_file: Path) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Kernels of an object for this very processor, called in this process."""
    library_file = object_file.with_suffix(".so")
    link = [sys.executable, "-m", "ziglang", "ld.lld", "-shared", "-z", "noexecstack", str(object_file)]
    subprocess.run([*link, "-o", str(library_file)], check=True, timeout=LINK_SECONDS)
    library = ctypes.CDLL(str(library_file))

    def compiled(function: Callable[..., None]) -> Callable[..., None]:
        def call(*values: Any) -> None:
            entry = getattr(library, _export(function, values).symbol)
            arguments: list[Any] = []
            for value in values:
                if isinstance(value, np.ndarray):
                    arguments += [ctypes.c_void_p(value.ctypes.data), *map(ctypes.c_int64, value.shape)]
                else:
                    arguments.append(ctypes.c_int64(value))
            assert entry(*arguments) == 0

        return call

    return compiled


def link_static(object_file: Path, triple: str, output: Path) -> Path:
    """A static program around the object that answers calls on its pipes."""
    (output.parent / "bnn_reference.h").write_text(c_header())
    main = output.with_suffix(".c")
    main.write_text(_main_source())
    zig = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-target",
        triple,
        "-O2",
        "-static",
        "-s",
        "-Wall",
        "-Werror",
    ]
    subprocess.run([*zig, str(main), str(object_file), "-o", str(output)], check=True, timeout=LINK_SECONDS)
    return output


class Server:
    """A running static program; `compiled` sends it one call at a time."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=10)

    def compiled(self, function: Callable[..., None]) -> Callable[..., None]:
        def call(*values: Any) -> None:
            stdin, stdout = self._process.stdin, self._process.stdout
            assert stdin is not None
            assert stdout is not None
            export = _export(function, values)
            request = struct.pack("<q", EXPORTS.index(export))
            for value in values:
                if isinstance(value, np.ndarray):
                    request += struct.pack(f"<{value.ndim}q", *value.shape) + value.tobytes()
                else:
                    request += struct.pack("<q", value)
            stdin.write(request)
            stdin.flush()
            for value, kind in zip(values, export.arguments, strict=True):
                if isinstance(value, np.ndarray) and kind.mutable:
                    value[...] = np.frombuffer(stdout.read(value.nbytes), value.dtype).reshape(value.shape)
            assert struct.unpack("<i", stdout.read(4)) == (0,)

        return call


def _export(function: Callable[..., None], values: tuple[Any, ...]) -> Export:
    rows = [export for export in EXPORTS if export.function is function]
    if len(rows) > 1:
        rows = [export for export in rows if str(export.arguments[0].dtype) == str(values[0].dtype)]
    (row,) = rows
    return row


def _main_source() -> str:
    cases = "\n".join(_case(index, export) for index, export in enumerate(EXPORTS))
    return f"""
#include "bnn_reference.h"
#include <stdio.h>
#include <stdlib.h>
static void get(void *to, size_t bytes) {{ if (bytes && fread(to, 1, bytes, stdin) != bytes) exit(3); }}
static int64_t number(void) {{ int64_t value; get(&value, sizeof value); return value; }}
int main(void) {{
    int64_t which;
    while (fread(&which, sizeof which, 1, stdin) == 1) {{
        int32_t status = -1;
        switch (which) {{
{cases}
        }}
        fwrite(&status, sizeof status, 1, stdout);
        fflush(stdout);
    }}
    return 0;
}}
"""


def _case(index: int, export: Export) -> str:
    lines, arguments, after = [], [], []
    for position, kind in enumerate(export.arguments):
        if not hasattr(kind, "ndim"):
            lines.append(f"int64_t s{position} = number();")
            arguments.append(f"s{position}")
            continue
        sizes = [f"d{position}_{axis}" for axis in range(kind.ndim)]
        lines += [f"int64_t {size} = number();" for size in sizes]
        lines.append(f"size_t b{position} = {' * '.join(sizes)} * {kind.dtype.bitwidth // 8};")
        lines.append(f"void *p{position} = malloc(b{position} + 1); get(p{position}, b{position});")
        arguments += [f"p{position}", *sizes]
        if kind.mutable:
            after.append(f"fwrite(p{position}, 1, b{position}, stdout);")
        after.append(f"free(p{position});")
    body = [*lines, f"status = {export.symbol}({', '.join(arguments)});", *after]
    return f"case {index}: {{ {' '.join(body)} break; }}"
