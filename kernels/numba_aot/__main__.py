"""Compiles the Numba reference kernels for one target into an object file: one target per process."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def main() -> None:
    """Writes the object file and renames it into place, so that a cut-off build leaves none."""
    parser = argparse.ArgumentParser(prog="python -m bnnbench.kernels.numba_aot", description=__doc__)
    parser.add_argument("--triple", required=True, help="LLVM triple, such as aarch64-linux-musl")
    parser.add_argument("--cpu", required=True, help="LLVM processor, such as cortex-a72")
    parser.add_argument("--features", default="", help="LLVM features, such as +neon")
    parser.add_argument("-o", "--output", required=True, type=Path, help="object file to write")
    parser.add_argument("--header", type=Path, help="C declarations to write beside it")
    arguments = parser.parse_args()

    from .object_file import compile_object  # importing Numba takes a second that --help need not

    binary = compile_object(arguments.triple, arguments.cpu, arguments.features)
    if arguments.header:
        from ..reference.exports import c_header

        arguments.header.write_text(c_header())
    part = arguments.output.with_name(f"{arguments.output.name}.{os.getpid()}.part")
    part.write_bytes(binary)
    part.replace(arguments.output)


if __name__ == "__main__":
    main()
