"""The native engine built with AddressSanitizer and UBSan: zig has no runtimes for them, Debian's clang has."""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bnnbench.kernels.targets import ISA_LEVELS, TRIPLES, IsaLevel
from bnnbench.kernels.toolchain import COMMON, FLAGS, NATIVE, PER_LEVEL, SOURCES, level_flags, level_lists

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
    levels = [level for level in ISA_LEVELS if level.triple == TRIPLE]
    jobs: list[tuple[str, str, tuple[str, ...], IsaLevel | None]] = [
        *((name, name, (), None) for name in COMMON),
        *((name, name, level_lists(levels), None) for name in NATIVE),
        *((name, f"{name}-{level.isa}", level_flags(level), level) for name in PER_LEVEL for level in levels),
    ]
    flags = [flag for flag in FLAGS if "sanitize" not in flag]
    common = [*flags, "-O1", "-fno-omit-frame-pointer", *_SANITIZERS, f"-I{SOURCES / 'include'}"]
    identity = ['-DBNN_BUILD="sanitized"', '-DBNN_VERSION="0"']

    def compile_one(job: tuple[str, str, tuple[str, ...], IsaLevel | None]) -> None:
        source, name, defines, level = job
        march = f"-march={_march(level.zig_cpu if level else TRIPLES[TRIPLE])}"
        extra = ["-mavx512vpopcntdq"] if level and "vpopcntdq" in level.zig_cpu else []
        output = folder / f"{name}.o"
        command = [clang, march, *extra, *common, *identity, *defines, "-g1", "-c", str(SOURCES / f"src/{source}.cpp")]
        subprocess.run([*command, "-o", str(output)], check=True, timeout=300)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, jobs))
    engine = folder / "sanitized_engine"
    objects = [str(folder / f"{name}.o") for _, name, _, _ in jobs]
    subprocess.run([clang, *_SANITIZERS, *objects, "-lpthread", "-o", str(engine)], check=True, timeout=300)
    return engine


def _march(zig_cpu: str) -> str:
    return zig_cpu.split("+")[0].replace("x86_64", "x86-64").replace("_v", "-v")
