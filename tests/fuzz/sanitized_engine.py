"""The native engine built with AddressSanitizer and UBSan: zig has no runtimes for them, Debian's clang has."""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bnnbench.kernels.sources import FLAGS, SOURCES, Object, objects_of
from bnnbench.kernels.targets import TRIPLES

TRIPLE = "x86_64-linux-musl"
_COMPILERS = ("clang++-22", "clang++")
_SANITIZERS = (
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    # Pixels before a strip's first one are counted from, never touched.
    "-fno-sanitize=pointer-overflow",
)


def compiler() -> str | None:
    """Debian's clang of the same LLVM as zig's, else any; None when there is none."""
    return next((path for name in _COMPILERS if (path := shutil.which(name))), None)


def sanitized_engine(folder: Path) -> Path:
    """Builds it in `folder` (about a minute). Raises CalledProcessError with the compiler's words on stderr."""
    clang = compiler()
    if clang is None:
        raise RuntimeError("there is no clang++; install clang-22 and libclang-rt-22-dev.")
    built = objects_of("native", TRIPLE)
    flags = [flag for flag in FLAGS if "sanitize" not in flag]
    common = [*flags, "-fno-omit-frame-pointer", *_SANITIZERS, f"-I{SOURCES}"]
    identity = ['-DBNN_BUILD="sanitized"', '-DBNN_VERSION="0"']

    def compile_one(one: Object) -> None:
        cpu = one.cpu or TRIPLES[TRIPLE].zig_cpu
        extra = [f"-march={_march(cpu)}", *(f"-m{feature}" for feature in cpu.split("+")[1:])]
        command = [
            clang,
            *extra,
            *common,
            *identity,
            *one.flags,
            "-O1",
            "-g1",
            "-c",
            str(SOURCES / f"{one.source}.cpp"),
        ]
        subprocess.run([*command, "-o", str(folder / one.file)], check=True, timeout=300)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, built))
    engine = folder / "sanitized_engine"
    objects = [str(folder / one.file) for one in built]
    subprocess.run([clang, *_SANITIZERS, *objects, "-lpthread", "-o", str(engine)], check=True, timeout=300)
    return engine


def _march(zig_cpu: str) -> str:
    return zig_cpu.split("+")[0].replace("x86_64", "x86-64").replace("_v", "-v")
